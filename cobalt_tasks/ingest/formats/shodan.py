"""Shodan: banners (one object a line, as in download files), hosts with their banners, and InternetDB's short form.

Shodan scanned these hosts, not the user: what it reports is kept and shown, and nothing is probed for that alone.
"""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.encoding import certificate_of
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.nmap.services import secured

Record = dict[str, Any]

_USED: Final = frozenset({
    *("ip", "ip_str", "port", "transport", "timestamp", "product", "version", "data", "hostnames", "hash", "raw"),
    *("opts", "_id", "html", "ip6", "ipv6"),
})  # fmt: skip
_SERVICES: Final = {
    "http-simple-new": "http",
    "https-simple-new": "https",
    "rdp": "rdp",
    "dns-tcp": "dns",
    "dns-udp": "dns",
}
_INTERNETDB: Final = frozenset({"ip", "ports", "cpes", "hostnames"})
_LONGEST: Final = 128
_LONGEST_BANNER: Final = 16 * 1024
_MOST: Final = 256


class Shodan(JsonFormat):
    """One service a record: its product, version, banner, certificate and names; all else in the details."""

    name: ClassVar = "shodan"
    family: ClassVar = "shodan"
    tool: ClassVar = "shodan"
    summary: ClassVar = "banners of `shodan download`, hosts of the API, InternetDB; nothing is probed for them"
    is_traffic: ClassVar = True
    longest: ClassVar[int] = 8 << 20
    """A page and a chain of certificates."""

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by Shodan's own keys."""
        matches = record.get("matches")
        is_search = isinstance(matches, list) and bool(matches) and part(matches[0], "ip_str") is not None
        return "_shodan" in record or "ip_str" in record or record.keys() >= _INTERNETDB or is_search

    def record(self, record: Record, batch: Batch) -> None:
        """Read one banner, or one host with its banners, a `record`, into `batch`."""
        banners = record.get("matches", record.get("data"))
        if isinstance(banners, list) and banners:
            host: Record = {name: record[name] for name in ("ip_str", "hostnames") if name in record}
            for each in banners[:_MOST]:
                if not isinstance(each, dict):
                    raise RefusedError("data holds no banner")
            for each in banners[:_MOST]:
                self._banner({**host, **each}, batch)
            if "ip_str" in record:
                self._rest(record, {part(each, "port") for each in banners}, batch)
        elif isinstance(record.get("ports"), list):
            self._ports(record, batch)
        else:
            self._banner(record, batch)

    def _banner(self, record: Record, batch: Batch) -> None:
        address = values.address(record.get("ip_str") or record.get("ipv6"), "ip_str")
        when = values.timestamp(_utc(record.get("timestamp")))
        ssl = record.get("ssl")
        service = _service(record, is_tls=isinstance(ssl, dict))
        words = record.get("data")
        protocol, port = values.protocol(record.get("transport") or "tcp"), values.port(record.get("port"), "port")
        batch.discover(
            Discovery(
                address=address,
                protocol=protocol,
                port=port,
                observed_at=when,
                service=service,
                product=values.text(record.get("product"), _LONGEST),
                version=values.text(record.get("version"), _LONGEST),
                banner=words.encode("utf-8", "replace")[:_LONGEST_BANNER] if isinstance(words, str) else None,
                rank=FactRank.BANNER,
                seen_in_traffic=True,
                details=values.rest({**record, **({"ssl": _ssl(ssl)} if isinstance(ssl, dict) else {})}, _USED),
            )
        )
        self._names(record, address, batch, when)
        chain = part(ssl, "chain")
        if isinstance(chain, list) and chain and (der := certificate_of(chain[0])):
            batch.certificate(address, protocol, port, der, when)
        batch.name(address, part(ssl, "cert", "subject", "CN"), "certificate", when)

    def _rest(self, record: Record, known: set[Any], batch: Batch) -> None:
        """Add what a host has beside its banners: ports that are not `known` from one, and all else about the host."""
        others = [each for each in record.get("ports") or () if each not in known]
        if others:
            self._ports({"ip_str": record["ip_str"], "ports": others}, batch)
        if about := values.rest(record, _USED | {"ports"}):
            batch.discover(
                Discovery(
                    address=values.address(record["ip_str"], "ip_str"),
                    protocol="ip",
                    port=0,
                    observed_at=values.timestamp(_utc(record.get("last_update"))),
                    seen_in_traffic=True,
                    details=about,
                )
            )

    def _ports(self, record: Record, batch: Batch) -> None:
        address = values.address(record.get("ip_str") or record.get("ip"), "ip")
        numbers = [values.port(each, "ports") for each in record["ports"][:_MOST]]
        details = values.rest(record, {*_USED, "ports"})
        if not numbers:
            batch.ignore()
        for number in numbers:
            batch.discover(
                Discovery(address=address, protocol="tcp", port=number, seen_in_traffic=True, details=details)
            )
        self._names(record, address, batch, None)

    def _names(self, record: Record, address: str, batch: Batch, when: float | None) -> None:
        names = record.get("hostnames")
        for each in names[:_MOST] if isinstance(names, list) else ():
            batch.name(address, each, self.tool, when)


def _service(record: Record, *, is_tls: bool) -> str | None:
    module = part(record, "_shodan", "module")
    if not isinstance(module, str):
        return None
    name = _SERVICES.get(module, module)
    return values.text(secured(name) if is_tls and name == "http" else name, _LONGEST)


def _ssl(ssl: Record) -> Record:
    """Return what is kept of the TLS part: not the certificates, which are facts."""
    return {name: value for name, value in ssl.items() if name not in {"chain", "chain_sha256", "dhparams", "tlsext"}}


def _utc(text: Any) -> Any:
    """Return a time with its zone: Shodan writes UTC without it."""
    return f"{text}Z" if isinstance(text, str) and "T" in text and text[-1:].isdigit() and "+" not in text else text
