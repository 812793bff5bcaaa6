"""The values that lines consist of, checked the same way for every format."""

import re
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.core.text import hostname
from cobalt_tasks.ingest.batch import LONGEST_TEXT, RefusedError

_REMEMBERED: Final = 1 << 15
LATEST: Final = 253402300799.0
"""The last second of the year 9999."""

_OF_GO: Final = re.compile(r"([\d-]{10} [\d:.]{8,18}) ([+-]\d{4}) [A-Z0-9+-]{1,6}(?: m=.*)?")
"""How Go prints a time: `2026-11-26 16:26:22.123456789 +0000 UTC`."""

_FINER: Final = ("milliseconds", "microseconds", "nanoseconds")
_HIGHEST_PORT: Final = 0xFFFF
_PROTOCOL: Final = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,31}")
_ALIASES: Final = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6", "icmp-v6": "icmp6", "icmp4": "icmp"}
_PROTOCOLS: Final = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6", 132: "sctp"}
"""IANA's protocol numbers, as far as captures show them."""

_NO_PROTOCOL: Final = 256
"""The number is one byte of the IP header."""

_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_is_ipv4: Final = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}").fullmatch
"""Matches the one spelling of IPv4 addresses: what matches needs no parsing."""

known_addresses: Final[dict[str, str]] = {}
"""Spellings met recently, and the one spelling of each."""

_LONGEST_DETAIL: Final = 512
_LONGEST_NAME: Final = 128
_DEEPEST: Final = 5
_MOST: Final = 32
_MOST_KEYS: Final = 64
_LONGEST_NAMES: Final = 2048
"""Characters of the names in a record that are remembered together."""

_NUMBERS: Final = frozenset({int, float, bool, type(None)})

_SECRETS: Final = re.compile(
    r"(?:.*[_.-])?(?:password|passwd|cookie|cookie_pair|authorization|authbasic)", re.IGNORECASE
).fullmatch
_NO_SECRETS: Final = re.compile(r"(?:.*[_.-])?set[_-]cookie", re.IGNORECASE).fullmatch


def address(text: Any, name: str) -> str:
    """Return the address in `text` in its one spelling; the spelling of addresses seen before is remembered, to a bound.

    text: what the input has; name: what it is called there, for the reason of a reject.

    Raises:
        RefusedError: it is no address.

    """
    if not isinstance(text, str) or not text:
        raise RefusedError(f"{name} is no address" if text else f"{name} is missing")
    known = known_addresses.get(text)
    if known is not None:
        return known
    known = text if _is_ipv4(text) else canonical(text)
    if known is None:
        kind = "a name and no address" if hostname(text[:_LONGEST_NAME]) else "no address"
        raise RefusedError(f"{name} is {kind}: {text[:64]!r}")
    if len(known_addresses) >= _REMEMBERED:
        known_addresses.clear()
    known_addresses[text] = known
    return known


def is_address(text: str) -> bool:
    """Return whether a text is an address, in any spelling."""
    return text in known_addresses or canonical(text) is not None


def port(value: Any, name: str) -> int:
    """Return a port number from 0 to 65535; 0 stands for protocols without ports.

    value: a number or its text; name: what it is called in the input, for the reason of a reject.

    Raises:
        RefusedError: it is none.

    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:  # noqa: PLR2004  # 65535
        value = int(value)
    if type(value) is not int:
        raise RefusedError(f"{name} is missing" if value is None else f"{name} is no port: {str(value)[:32]!r}")
    if not 0 <= value <= _HIGHEST_PORT:
        raise RefusedError(f"{name} is out of range: {str(value)[:32]}")
    return value


_NAMED: Final = (
    "ftp-data:20 ftp:21 ssh:22 telnet:23 smtp:25 domain:53 bootps:67 bootpc:68 tftp:69 http:80 www:80 "
    "www-http:80 kerberos:88 pop3:110 sunrpc:111 ntp:123 epmap:135 msrpc:135 netbios-ns:137 "
    "netbios-dgm:138 netbios-ssn:139 imap:143 imap2:143 snmp:161 snmp-trap:162 snmptrap:162 bgp:179 "
    "ldap:389 https:443 microsoft-ds:445 isakmp:500 syslog:514 printer:515 submission:587 ipp:631 "
    "ldaps:636 rsync:873 imaps:993 pop3s:995 ms-sql-s:1433 mysql:3306 ms-wbt-server:3389 rdp:3389 "
    "postgresql:5432 mdns:5353 amqp:5672 http-alt:8080 webcache:8080"
)
_SERVICES: Final = {name: int(number) for name, number in (pair.split(":") for pair in _NAMED.split())}
"""Ports that tools without -n write by their names, as IANA has them."""


def named_port(value: Any, name: str) -> int:
    """Return a port from its number or from the name of a well-known service.

    value: what the input has; name: what it is called there, for the reason of a reject.

    Raises:
        RefusedError: it is neither.

    """
    known = _SERVICES.get(value) if isinstance(value, str) else None
    return port(value, name) if known is None else known


def protocol(value: Any) -> str:
    """Return a protocol's name in lower case, from its name or IANA number, which may be text.

    Raises:
        RefusedError: it is neither.

    """
    if isinstance(value, str) and (name := _protocol_named(value)):
        return name
    if type(value) is int and 0 <= value < _NO_PROTOCOL:
        return _PROTOCOLS.get(value, f"ip-{value}")
    raise RefusedError(f"protocol is none: {str(value)[:32]!r}")


@lru_cache(256)
def _protocol_named(name: str) -> str | None:
    lowered = name.lower()
    if lowered.isascii() and lowered.isdigit():
        number = int(lowered) if len(lowered) <= 3 else _NO_PROTOCOL  # noqa: PLR2004  # digits of one byte
        return _PROTOCOLS.get(number, f"ip-{number}") if number < _NO_PROTOCOL else None
    return _ALIASES.get(lowered, lowered) if _PROTOCOL.fullmatch(lowered) else None


_is_group: Final = re.compile(r"(?:22[4-9]|23\d)\.|255\.255\.255\.255|ff[0-9a-f]{2}:", re.IGNORECASE).match
"""Matches addresses of many receivers: multicast and broadcast."""


def is_from_server(source_port: Any, target_port: Any, target: Any) -> bool:
    """Return whether the source of a packet is rather the server.

    source_port, target_port: as the tool wrote them; anything that is no port decides nothing; target: the address of its
    destination: multicast and broadcast send nothing, so what goes there is not an answer.
    """
    if isinstance(target, str) and _is_group(target):
        return False
    try:
        source, destination = int(source_port), int(target_port)
    except (TypeError, ValueError):
        return False
    return 0 < source < destination


_FIRST_EPHEMERAL: Final = 32768
"""Linux chooses ports of clients from here on, other systems higher."""


def is_answer(source_port: Any, target_port: Any, target: Any) -> bool:
    """Return whether a packet that stands alone, as in the log of a firewall, is rather the answer of a server.

    source_port, target_port, target: as for `is_from_server`. Of two ports that clients get, neither is a server's by its
    number: then the sender opened the connection.
    """
    return is_from_server(source_port, target_port, target) and int(source_port) < _FIRST_EPHEMERAL


def timestamp(value: Any) -> float | None:
    """Return epoch seconds from a number, its text, or ISO 8601 (local time without an offset); None from None.

    A number past the year 9999 counts milliseconds, microseconds or nanoseconds.

    Raises:
        RefusedError: it is no time, or none between 1970 and 9999.

    """
    if value is None:
        return None
    try:
        if isinstance(value, str) and len(value) <= 64:  # noqa: PLR2004  # the longest ISO form has 35
            seconds = _from_text(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = float(value)
        else:
            raise RefusedError("timestamp is no time")
    except (ValueError, OverflowError, OSError):
        raise RefusedError(f"timestamp is no time: {str(value)[:64]!r}") from None
    if 0 <= seconds <= LATEST:
        return seconds
    for _ in _FINER:
        # Milliseconds, microseconds or nanoseconds.
        seconds = seconds / 1000 if seconds > LATEST else seconds
    if not 0 <= seconds <= LATEST:
        raise RefusedError(f"timestamp is out of range: {str(value)[:64]}")
    return seconds


def timestamp_or_none(value: Any) -> float | None:
    """Return epoch seconds as `timestamp` does, and None from what is no time."""
    try:
        return timestamp(value)
    except RefusedError:
        return None


def text(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    """Return `value` as text that every database can store, at most `longest` characters; None if empty or not text."""
    if not isinstance(value, str) or not value:
        return None
    return value[:longest].replace("\x00", "\\x00")


def is_secret(name: str) -> bool:
    """Return whether what stands below a name is a secret of a user's, as in a header or a column: it is not kept."""
    return _is_secret(name[:_LONGEST_NAME])


@lru_cache(4096)
def _is_secret(short: str) -> bool:
    return _SECRETS(short) is not None and _NO_SECRETS(short) is None


def bounded(value: Any, depth: int = 0) -> Any:
    """Return a value of JSON with texts, lists and objects cut to a length, and without secrets.

    value: as it was decoded; depth: how deep it lies; what lies deeper than some levels is left out.
    """
    if isinstance(value, str):
        return value[:_LONGEST_DETAIL]
    if not isinstance(value, (dict, list)):
        return value
    if depth >= _DEEPEST:
        return None
    if isinstance(value, list):
        return [bounded(each, depth + 1) for each in value[:_MOST]]
    if isinstance(named := value.get("name"), str) and is_secret(named):
        # A header: its name and its value.
        return {"name": named[:_LONGEST_DETAIL]}
    return bounded_parts(value, depth)


def bounded_parts(record: dict[str, Any], depth: int = 0, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return an object of JSON as `bounded` does.

    record: the object; depth: how deep it lies; without: keys that are left out.
    """
    kept = _named(record, without)
    for name, value in kept.items():
        # The hot path of input: most values are short texts and numbers, which stay as they are.
        kind = type(value)
        if kind is str:
            if len(value) > _LONGEST_DETAIL:
                kept[name] = value[:_LONGEST_DETAIL]
        elif kind not in _NUMBERS:
            kept[name] = bounded(value, depth + 1)
    return kept


def _named(record: dict[str, Any], without: frozenset[str]) -> dict[str, Any]:
    """Return a copy of a record with as many keys as are kept, without secrets and the keys `without`."""
    if len(record) > _MOST_KEYS or len("".join(record)) > _LONGEST_NAMES:
        pairs = list(record.items())[:_MOST_KEYS]
        return {name[:_LONGEST_DETAIL]: each for name, each in pairs if name not in without and not is_secret(name)}
    kept = record.copy()
    for name in _left_out(tuple(record), without):
        del kept[name]
    return kept


@lru_cache(4096)
def _left_out(names: tuple[str, ...], without: frozenset[str]) -> tuple[str, ...]:
    """Return which names are secrets or among those `without`: the records of an input have few sets of names."""
    return tuple(name for name in names if name in without or is_secret(name))


def rest(record: dict[str, Any], used: Collection[str]) -> str | None:
    """Return what else a record reports, as JSON text for the details; None when that is nothing.

    record: the record; used: the keys that are facts or content.
    """
    kept = {
        name: value
        for name, each in record.items()
        if name not in used and not is_secret(name) and (value := bounded(each, 1)) not in (None, "", [], {})
    }
    return details(kept)


def details(found: dict[str, Any]) -> str | None:
    """Return what else a line reports as JSON text that every database can store; None when that is nothing.

    What would make it too long is left out, and the text has `"cut": true`.
    """
    if not found:
        return None
    encoded = msgspec.json.encode(found).decode()
    if len(encoded) <= LONGEST_TEXT:
        return encoded
    kept: dict[str, Any] = {"cut": True}
    length = len(msgspec.json.encode(kept))
    for name, value in found.items():
        length += len(msgspec.json.encode({name: value}))
        if length > LONGEST_TEXT:
            break
        kept[name] = value
    return msgspec.json.encode(kept).decode()


def asctime(text: str) -> float | None:
    """Return epoch seconds of a local time as C's asctime writes it: `Thu Nov 26 16:26:22 2026`; None if it is none."""
    try:
        return timestamp(datetime.strptime(text, "%a %b %d %H:%M:%S %Y").timestamp())  # noqa: DTZ007  # local time
    except (ValueError, OverflowError):
        return None


def _from_text(value: str) -> float:
    if value[10:11] == "T":
        # Most texts: what is no number needs no try.
        return datetime.fromisoformat(value.strip()).timestamp()
    value = value.strip()
    try:
        return float(value)
    except ValueError:
        if found := _OF_GO.fullmatch(value):
            value = found[1] + found[2]
        # Without an offset, local time is what the emitters mean.
        return datetime.fromisoformat(value).timestamp()
