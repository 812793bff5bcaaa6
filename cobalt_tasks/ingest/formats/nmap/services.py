"""What nmap's words for a service mean, in its normal and its grepable output, where product and version are one text."""

import re
from datetime import datetime
from typing import Final

from cobalt_tasks.ingest import values

_LONGEST: Final = 128
_LONGEST_TEXT: Final = 1024
_TLS: Final = ("ssl/", "ssl|", "tls/", "tls|")
_NAMES: Final = {"http": "https", "https": "https", "http-proxy": "https", "http-alt": "https"}
_EXTRA: Final = re.compile(r"^(.*?)\s*\((.*)\)$", re.DOTALL)
_VERSION: Final = re.compile(r"(?:^|(?<=\s))(?:v?|[A-Za-z_]{1,32}_)\d\S*")
"""A word that may be a version, or where one starts."""

_YEAR: Final = re.compile(r"(?:19|20)\d\d(?:\s+R2)?(?=\s+v?\d)|\d+[gi](?=\s)")
"""A number that belongs to the product's name: `Microsoft SQL Server 2019`, `Oracle Application Server 10g`."""

_OF_PRODUCT: Final = re.compile(
    r"\b(?:(?:http|ftp|smtp|telnet|imap|pop3|ssh|snmp|ntp)d|http|config(?:uration)?|microsoft-ds|netbios-ssn|[Ss]ervices?"
    r"|[Ss]erver|printer|router|switch|camera|webcam|firewall|proxy|gateway|phone|interface|engine|console|daemon)\b"
)
"""A word of a product's name: a number before it is no version (`HP LaserJet 4250 http config`)."""


def scan_time(text: str) -> float | None:
    """Return epoch seconds of the local time nmap writes: `Thu Nov 26 16:26:22 2026`; None if it is none."""
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").timestamp()  # noqa: DTZ007  # its machine's local time
    except (ValueError, OverflowError):
        return None


def service_name(name: str | None) -> str | None:
    """Return one name for a service: `ssl/http` and `ssl|http` are https, `ssl/imap` is imaps; None without a name."""
    text = values.text((name or "").rstrip("?"), _LONGEST)
    if text is None or text == "unknown":
        return None
    if text.startswith(_TLS):
        inner = text[len(_TLS[0]) :]
        return secured(inner) if inner and inner != "unknown" else "tls"
    return text


def secured(name: str) -> str:
    """Return the name of a service behind TLS."""
    return _NAMES.get(name) or (name if name.endswith("s") and name != "dns" else f"{name}s")


def version_parts(text: str) -> tuple[str | None, str | None, str | None]:
    """Return product, version and the rest of a text such as `OpenSSH 8.9p1 Ubuntu 3 (Ubuntu Linux; protocol 2.0)`."""
    text, extra = text.strip(), None
    if found := _EXTRA.match(text):
        text, extra = found[1], found[2]
    start = _version_start(text[:_LONGEST_TEXT])
    product = text if start is None else text[:start]
    version = None if start is None else text[start:]
    parts = (product.strip(), version and version.strip(), extra)
    product, version, extra = (values.text(each, _LONGEST) for each in parts)  # type: ignore[assignment]
    return product, version, extra


def _version_start(text: str) -> int | None:
    """Return where the version starts in `Dropbear sshd 2022.83`; None without one."""
    words = [found.end() for found in _OF_PRODUCT.finditer(text)]
    last = words[-1] if words else 0
    for found in _VERSION.finditer(text):
        if found.start() >= last and not _YEAR.match(text, found.start()):
            return found.start()
    return None
