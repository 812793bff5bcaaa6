"""Names of hosts in what tools print: URLs, subjects of certificates, answers of the DNS."""

import ipaddress
import re
from typing import Any, Final

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.ingest.batch import Batch

POINTING: Final = ("A", "AAAA", "PTR")
"""Types of records of the DNS that name an address."""

_LONGEST: Final = 512
_MOST_ANSWERS: Final = 64
_ARPA: Final = re.compile(r"((?:\d{1,3}\.){4})in-addr\.arpa\.?|((?:[0-9a-f]\.){32})ip6\.arpa\.?", re.IGNORECASE)
_CN: Final = re.compile(r"(?:^|[,/+])\s*CN\s*=\s*([^,/+]+)", re.IGNORECASE)


def common_name(subject: object) -> str | None:
    """Return the common name of a certificate's subject as tools print it: `CN=www.example.com, O=…`."""
    found = _CN.search(subject[:_LONGEST]) if isinstance(subject, str) else None
    return found[1].strip() if found else None


def host_of(url: object) -> str | None:
    """Return the host a URL names, without its port."""
    if not isinstance(url, str) or "://" not in url[:16]:
        return None
    return url.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]


def without_port(host: object) -> str | None:
    """Return the name in a Host header, which may have a port; None for what is no name."""
    return host.rpartition(":")[0] or host if isinstance(host, str) and host.count(":") <= 1 else None


def is_own_request(url: object) -> bool:
    """Return whether a request is for the server itself: one with a whole URL, or CONNECT, is for a proxy."""
    return not isinstance(url, str) or not (url[:8].lower().startswith(("http://", "https://")) or _is_authority(url))


def _is_authority(url: str) -> bool:
    host, colon, port = url.rpartition(":")
    return bool(colon) and port.isdigit() and "/" not in host


def answers(batch: Batch, question: object, found: Any, when: float | None) -> None:
    """Add the names that answers of the DNS have for addresses.

    Args:
        batch: what they are added to.
        question: the name that was asked for.
        found: the answers: addresses, or names for a question about an address.
        when: epoch seconds, None for the arrival.

    """
    if not isinstance(question, str):
        return
    several = found if isinstance(found, list) else str(found or "").split(",")
    asked = address_of(question)
    for each in several[:_MOST_ANSWERS]:
        if not isinstance(each, str):
            continue
        if asked:
            batch.name(asked, each, "ptr", when)
        elif address := canonical(each.strip()):
            batch.name(address, question, "dns", when)


def record(batch: Batch, asked: object, owner: object, kind: object, value: object, when: float | None) -> None:  # noqa: PLR0913, PLR0917  # a record has as many parts
    """Add the names that one record in an answer of the DNS has for an address; of other types than `POINTING`, none.

    Args:
        batch: what they are added to.
        asked: the name that was asked for: it may lead to others, of which the last has the address.
        owner: the name that the record is of.
        kind: its type.
        value: an address, or the name for one.
        when: epoch seconds, None for the arrival.

    """
    if kind not in POINTING:
        return
    answers(batch, owner, [value], when)
    if kind != "PTR" and asked != owner:
        answers(batch, asked, [value], when)


def address_of(question: str) -> str | None:
    """Return the address that a question for its name is about (RFC 1035 3.5, RFC 3596 2.5); None for any other name."""
    found = _ARPA.fullmatch(question[:_LONGEST])
    if found is None:
        return None
    if found[1]:
        return canonical(".".join(reversed(found[1].rstrip(".").split("."))))
    digits = "".join(reversed(found[2].replace(".", "")))
    return str(ipaddress.IPv6Address(int(digits, 16)))
