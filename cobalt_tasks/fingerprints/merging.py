"""Adds what fingerprints assert to what our own recognisers know. Ours goes first; theirs fills what ours leaves open."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

from msgspec.structs import replace

from cobalt_tasks.core.text import hostname
from cobalt_tasks.fingerprints.fields import Value
from cobalt_tasks.fingerprints.matcher import Matcher
from cobalt_tasks.fingerprints.records import Assertions
from cobalt_tasks.protocols.details import cpe_name, quoted
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_PAGES: Final = frozenset(
    {
        "html_title",
        "http_header.wwwauth",
        "http_header.cookie",
        "http_header.x-powered-by",
        "favicon.md5",
        "x509.subject",
        "x509.issuer",
    }
)
"""Fields that show what is served, not what serves it: they name no other product than a known one."""

_GENERIC: Final = frozenset(
    [
        "http",
        "https",
        "httpd",
        "ftp",
        "ftpd",
        "ssh",
        "sshd",
        "telnet",
        "smtp",
        "pop3",
        "imap",
        "ldap",
        "snmp",
        "web",
        "mail",
        "media",
        "server",
        "service",
        "daemon",
        "client",
    ]
)
"""Words of products that need the name of their vendor."""

_DEVICES: Final = {
    "ip camera": "camera",
    "web cam": "camera",
    "nas": "storage",
    "broadband router": "router",
    "lights out management": "management",
    "network management device": "management",
    "multifunction device": "printer",
    "print server": "printer",
    "device server": "controller",
}
_NOT_DEVICES: Final = frozenset({"general", "device", "appliance", "virtual machine"})
_CPE: Final = re.compile(r"cpe:/([aoh]):([^:]{1,100}):([^:]{1,100})(?::([^:]{0,100}))?")
_LETTERS: Final = re.compile(r"[^a-z0-9]+")
_CERTAIN: Final = 1.0


def enriched(known: Fingerprint, values: Iterable[Value], matcher: Matcher) -> Fingerprint:
    """Return a fingerprint with what a matcher knows about the values of its answer.

    Args:
        known: what our own recogniser found out.
        values: fields with values, those that show most first.
        matcher: the installed fingerprints.

    """
    for field, text in values:
        if found := matcher.find(field, text):
            known = _with_product(known, found, field)
            known = _with_machine(known, found, field)
    return known


def _with_product(known: Fingerprint, found: Assertions, field: str) -> Fingerprint:
    """Add product, version and CPE."""
    product, certainty = _product(found), _certainty(found, "service")
    if not product or not certainty:
        return known
    cpe, version = vendor_and_product(found.get("service.cpe23", "")), clean_text(found.get("service.version"))
    source = f"recog {field}"
    if known.product is None or (
        cpe and not cpe_name(known) and field not in _PAGES and not _is_same(known, product, cpe)
    ):
        # Ours was no more than the first word of a header, or nothing.
        sources = {"product": source, **({"version": source} if version else {})}
        return replace(
            known,
            product=product,
            version=version or (known.version if known.product else None),
            cpe=cpe,
            confidence=min(known.confidence, certainty),
            sources={**known.sources, **sources},
            extras=_with(known.extras, vendor=found.get("service.vendor")),
        )
    if not _is_same(known, product, cpe):
        return replace(known, extras=_with(known.extras, application=product)) if field in _PAGES else known
    sources = dict(known.sources)
    if version and not known.version:
        sources["version"] = source
    return replace(
        known,
        version=known.version or version,
        cpe=known.cpe or (cpe if not cpe_name(known) else None),
        sources=sources,
        extras=_with(known.extras, vendor=found.get("service.vendor")),
    )


def _with_machine(known: Fingerprint, found: Assertions, field: str) -> Fingerprint:
    """Add operating system, kind of device, hardware and names."""
    source, sources = f"recog {field}", dict(known.sources)
    system = _system(found) if _certainty(found, "os") else None
    is_sure = bool(_certainty(found, "hw"))
    device = _device(found) if is_sure else None
    if system and not known.os:
        sources["os"] = source
    if device and not known.device:
        sources["device"] = source
    is_theirs = system is not None and (known.os is None or known.os.lower() in system.lower())
    name = hostname(found.get("host.name", ""))
    return replace(
        known,
        os=known.os or system,
        device=known.device or device,
        names=known.names or ((name,) if name else ()),
        sources=sources,
        extras=_with(
            known.extras,
            os_version=clean_text(found.get("os.version")) if is_theirs else None,
            os_cpe=_formatted(found.get("os.cpe23", "")) if is_theirs else None,
            hardware=_joined(found.get("hw.vendor"), found.get("hw.product")) if is_sure else None,
            hardware_cpe=_formatted(found.get("hw.cpe23", "")) if is_sure else None,
        ),
    )


def clean_text(text: str | None) -> str | None:
    """Return a text of a fingerprint on one line and short, or None if nothing is left of it."""
    return clean(text.encode("utf-8", "replace")) if text else None


def _product(found: Assertions) -> str | None:
    """Return the product's name, with its vendor's where it means nothing without."""
    product = clean_text(found.get("service.product"))
    if product and all(word in _GENERIC for word in product.lower().split()):
        return _joined(found.get("service.vendor"), product)
    return product


def _system(found: Assertions) -> str | None:
    vendor, product = found.get("os.vendor"), found.get("os.product")
    return _joined(vendor, product) if product else None


def _device(found: Assertions) -> str | None:
    kind = (found.get("hw.device") or found.get("os.device") or "").lower()
    return None if not kind or kind in _NOT_DEVICES else _DEVICES.get(kind, kind)


def _joined(vendor: str | None, product: str | None) -> str | None:
    """Return vendor and product as one name."""
    if not product or not vendor or vendor.lower() in product.lower():
        return clean_text(product)
    return clean_text(f"{vendor} {product}")


def _certainty(found: Assertions, part: str) -> float:
    """Return how sure a fingerprint is of its service, os or hw; 0 asserts nothing."""
    try:
        return float(found.get(f"{part}.certainty", _CERTAIN))
    except ValueError:
        return _CERTAIN


def _is_same(known: Fingerprint, product: str, cpe: str | None) -> bool:
    """Return whether a fingerprint names the product that is known already."""
    ours = cpe_name(known)
    if ours and cpe:
        return ours == cpe
    one, other = _LETTERS.sub("", (known.product or "").lower()), _LETTERS.sub("", product.lower())
    return bool(one and other) and (one in other or other in one)


def vendor_and_product(uri: str) -> str | None:
    """Return vendor and product of a program's CPE 2.2 URI, quoted as CPE 2.3 does."""
    found = _CPE.fullmatch(uri)
    return f"{quoted(unquote(found[2]))}:{quoted(unquote(found[3]))}" if found and found[1] == "a" else None


def _formatted(uri: str) -> str | None:
    """Return a CPE 2.2 URI as a formatted name of CPE 2.3."""
    found = _CPE.fullmatch(uri)
    if not found:
        return None
    version = unquote(found[4] or "*")
    shown = version if version in {"*", "-"} else quoted(version)
    return f"cpe:2.3:{found[1]}:{quoted(unquote(found[2]))}:{quoted(unquote(found[3]))}:{shown}:*:*:*:*:*:*:*"


def _with(extras: Mapping[str, str], **more: str | None) -> Mapping[str, str]:
    """Return extras with those of `more` that are there and are not known yet."""
    added = {name: value for name, value in more.items() if value and name not in extras}
    return {**extras, **added} if added else extras
