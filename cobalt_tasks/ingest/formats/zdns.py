"""zdns: the answers of the DNS for one name, or one address, a line."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import names, seen_hosts
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

Record = dict[str, Any]

_ADDRESSES: Final = ("ipv4_addresses", "ipv6_addresses")
_LISTS: Final = ("servers", "exchanges")
_STATUS: Final = (
    *(
        "NOERROR",
        "NXDOMAIN",
        "SERVFAIL",
        "REFUSED",
        "FORMERR",
        "NOTIMP",
        "TIMEOUT",
        "ITERATIVE_TIMEOUT",
        "ERROR",
        "NO_ANSWER",
    ),
    *("AUTHFAIL", "NO_RECORD", "BLACKLIST", "NO_OUTPUT", "ILLEGAL_INPUT", "TRUNCATED", "NONEXISTENT"),
)
_MOST: Final = 64
_USED: Final = frozenset({"timestamp", "data", "results", "trace"})


class Zdns(JsonFormat):
    """A name that resolves to nothing is ignored. Looking up a name is no scan: nothing is probed for it."""

    name: ClassVar = "zdns"
    family: ClassVar = "zdns"
    tool: ClassVar = "zdns"
    summary: ClassVar = (
        "its JSON lines of all versions: A, AAAA, PTR, and the addresses that ALOOKUP, MXLOOKUP and NSLOOKUP find"
    )
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by a name, and an answer with its status."""
        return "name" in record and any(each.get("status") in _STATUS for each in _results(record))

    def record(self, record: Record, batch: Batch) -> None:
        """Read the answers for one name, a `record`, into `batch`."""
        asked = record.get("name")
        found: dict[str, float | None] = {}
        for result in _results(record):
            when = values.timestamp(result.get("timestamp"))
            for address, name, source in _answers(asked, result.get("data")):
                found.setdefault(address, when)
                batch.name(address, name, source, when)
        about = {name: value for name, value in record.items() if name not in _USED}
        for address, when in found.items():
            seen_hosts.add(batch, address, when=when, details=about)
        if not found:
            batch.ignore()


def _results(record: Record) -> list[Record]:
    """Return the answers: version 2 has one for each type that was asked for, version 1 is one."""
    several = record.get("results")
    found = list(several.values()) if isinstance(several, dict) else [record]
    return [each for each in found[:_MOST] if isinstance(each, dict)]


def _answers(asked: Any, data: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield (address, name, source) of what was answered.

    asked: the name or the address in question; data: the answer.
    """
    if not isinstance(data, dict):
        return
    for each in _objects(data.get("answers")):
        answer, owner = each.get("answer"), each.get("name")
        if each.get("type") == "PTR":
            address = (names.address_of(owner) if isinstance(owner, str) else None) or canonical(str(asked))
            if address:
                yield address, answer, "ptr"
        elif each.get("type") in ("A", "AAAA") and isinstance(answer, str) and (address := canonical(answer)):
            # Behind an alias both names lead there.
            for name in {str(asked), str(owner)}:
                yield address, name, "dns"
    yield from _addresses(data, asked)
    for several in _LISTS:
        for each in _objects(data.get(several)):
            yield from _addresses(each, each.get("name"))


def _addresses(record: Record, name: Any) -> Iterator[tuple[str, Any, str]]:
    for several in _ADDRESSES:
        found = record.get(several)
        for each in found[:_MOST] if isinstance(found, list) else ():
            if isinstance(each, str) and (address := canonical(each)):
                yield address, name, "dns"


def _objects(several: Any) -> list[Record]:
    return [each for each in several[:_MOST] if isinstance(each, dict)] if isinstance(several, list) else []
