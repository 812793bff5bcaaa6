"""dnsx -json: the answers of the DNS for one name a line."""

from typing import Any, ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import names, seen_hosts
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_USED: Final = frozenset({"timestamp", "a", "aaaa", "resolver", "all", "raw_resp"})


class Dnsx(JsonFormat):
    """A name that resolves to nothing is ignored. Looking up a name is no scan: nothing is probed for it."""

    name: ClassVar = "dnsx"
    family: ClassVar = "dnsx"
    tool: ClassVar = "dnsx"
    summary: ClassVar = "-json: the addresses of names, and the names of addresses"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by a name, its resolvers and a status."""
        return "host" in record and "resolver" in record and "status_code" in record

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read the answers for one name, a `record`, into `batch`."""
        when = values.timestamp(record.get("timestamp"))
        host = record.get("host")
        several = [each for kind in ("a", "aaaa") for each in _list(record.get(kind))]
        addresses = [values.address(each, "a") for each in several]
        pointers = _list(record.get("ptr"))
        if pointers and isinstance(host, str) and values.is_address(host):
            addresses = [values.address(host, "host")]
            for each in pointers:
                batch.name(addresses[0], each, "ptr", when)
        elif addresses:
            names.answers(batch, host, addresses, when)
        if not addresses:
            batch.ignore()
        about = {name: value for name, value in record.items() if name not in _USED}
        for address in addresses:
            seen_hosts.add(batch, address, when=when, details=about)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
