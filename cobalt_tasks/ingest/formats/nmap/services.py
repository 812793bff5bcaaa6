"""What nmap's words for a service mean, in its normal and its grepable output, where product and version are one text."""

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from cobalt_tasks.ingest import values

_LONGEST: Final = 128
_LONGEST_TEXT: Final = 1024
_TLS: Final = ("ssl/", "ssl|", "tls/", "tls|")
_NAMES: Final = {"http": "https", "https": "https", "http-proxy": "https", "http-alt": "https", "https-alt": "https"}
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


_ZONES: Final = {
    name: minutes
    for names, minutes in (
        ("UTC GMT WET", 0),
        ("BST WEST CET MET", 60),
        ("CEST MEST EET SAST", 120),
        ("EEST MSK", 180),
        ("JST KST", 540),
        ("AEST", 600),
        ("AEDT", 660),
        ("NZST", 720),
        ("NZDT", 780),
        ("EDT", -240),
        ("EST CDT", -300),
        ("MDT", -360),
        ("MST PDT", -420),
        ("PST", -480),
        ("AKST", -540),
        ("HST", -600),
    )
    for name in names.split()
}
"""Minutes east of Greenwich, of the names of zones that mean one zone only."""

_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)?")


def local_time(text: str, form: str, zone: str) -> float | None:
    """Return epoch seconds of a time; None if it is none.

    text: the time; form: as `strptime` wants it; zone: the name or offset of its zone; this machine's zone for one that is
    not known.
    """
    try:
        when = datetime.strptime(text, form)  # noqa: DTZ007  # the zone follows
        minutes = _minutes(zone)
        if minutes is not None:
            when = when.replace(tzinfo=timezone(timedelta(minutes=minutes)))
        return values.timestamp(when.timestamp())
    except (ValueError, OverflowError):
        return None


def _minutes(zone: str) -> int | None:
    if found := _OFFSET.fullmatch(zone):
        return (int(found[2]) * 60 + int(found[3] or 0)) * (-1 if found[1] == "-" else 1)
    return _ZONES.get(zone)


def service_name(name: str | None) -> str | None:
    """Return one name for a service: `ssl/http` and `ssl|http` are https, `ssl/imap` is imaps; None without a name."""
    # An old version wrote what it found out about RPC behind the name.
    text = values.text((name or "").partition(" (")[0].rstrip("?"), _LONGEST)
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
