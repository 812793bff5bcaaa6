"""NDJSON with the field names of the Elastic Common Schema, for Elasticsearch and what speaks its names: one document a row."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from cobalt_tasks.hosts.exports import TableRows
from cobalt_tasks.views.exports.ndjson import objects
from cobalt_tasks.views.exports.options import ExportOptions

VERSION: Final = "9.4.0"

Row = Mapping[str, Any]
Document = dict[str, Any]


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[str]:
    """Yield the documents. source: rows of one of `TABLES`."""
    encode = msgspec.json.Encoder().encode_lines
    document = TABLES[source.table]
    for rows in objects(source):
        yield encode([_complete(document(row), source.table) for row in rows]).decode()


def _complete(document: Document, table: str) -> Document:
    """Return a `document` without what is unknown, with what all of a `table` have."""
    document["ecs"] = {"version": VERSION}
    document["event"] |= {"module": "cobalt", "dataset": f"cobalt.{table}"}
    kept: Document = _known(document)
    return kept


def _known(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = ((name, _known(each)) for name, each in value.items())
    return {name: each for name, each in inner if each is not None and each not in ({}, [])}


def _place(row: Row, prefix: str = "") -> Document:
    """Return `geo` of a `row`, whose columns have a `prefix`."""
    latitude, longitude = row[f"{prefix}latitude"], row[f"{prefix}longitude"]
    return {
        "country_iso_code": row[f"{prefix}country_code"],
        "country_name": row[f"{prefix}country_name"],
        "region_name": row[f"{prefix}region"],
        "city_name": row[f"{prefix}city"],
        "timezone": row[f"{prefix}timezone"],
        "location": None if latitude is None or longitude is None else {"lat": latitude, "lon": longitude},
    }


def _network(row: Row, prefix: str = "") -> Document:
    """Return `as` of a `row`, whose columns have a `prefix`."""
    return {"number": row[f"{prefix}asn"], "organization": {"name": row[f"{prefix}organisation"]}}


def _percent(score: float | None) -> float | None:
    return None if score is None else round(100 * score, 2)


def _kind(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def _host(row: Row) -> Document:
    names = row["names"]
    return {
        "@timestamp": row["last_seen"],
        "event": {
            "kind": "asset", "category": ["host"], "type": ["info"], "start": row["first_seen"], "end": row["last_seen"],
        },
        "host": {
            "ip": [row["address"]],
            "name": names[0] if names else row["address"],
            "geo": _place(row),
            "risk": {"calculated_score": row["score"], "calculated_score_norm": _percent(row["score"])},
        },
        "server": {"address": row["address"], "ip": row["address"], "as": _network(row)},
        "related": {"ip": [row["address"]], "hosts": names},
    }  # fmt: skip


def _port(row: Row) -> Document:
    return {
        "@timestamp": row["last_seen"],
        "message": row["banner"],
        "event": {
            "kind": "asset", "category": ["network"], "type": ["info"],
            "start": row["first_seen"], "end": row["last_seen"],
        },
        "host": {"ip": [row["address"]]},
        "server": {"address": row["address"], "ip": row["address"], "port": row["port"]},
        "network": {"transport": row["protocol"], "protocol": row["service"], "type": _kind(row["address"])},
        "service": {
            "type": row["service"],
            "name": row["product"] or row["service"],
            "version": row["version"],
            "state": "closed" if row["closed_since"] else "unconfirmed" if row["unconfirmed_since"] else "open",
        },
        "related": {"ip": [row["address"]]},
    }  # fmt: skip


def _connection(row: Row) -> Document:
    return {
        "@timestamp": row["observed_at"],
        "event": {
            "kind": "event", "category": ["network"], "type": ["connection"],
            "id": str(row["id"]), "ingested": row["arrived_at"],
        },
        "source": {"address": row["src_ip"], "ip": row["src_ip"], "port": row["src_port"]},
        "destination": {
            "address": row["dst_ip"], "ip": row["dst_ip"], "port": row["dst_port"],
            "geo": _place(row, "dst_"), "as": _network(row, "dst_"),
        },
        "network": {"transport": row["protocol"], "type": _kind(row["dst_ip"])},
        "process": {"name": row["process"]},
        "related": {"ip": [row["src_ip"], row["dst_ip"]]},
    }  # fmt: skip


def _certificate(row: Row) -> Document:
    return {
        "@timestamp": row["last_seen"],
        "event": {
            "kind": "asset", "category": ["network"], "type": ["info"],
            "start": row["first_seen"], "end": row["last_seen"],
        },
        "server": {"address": row["address"], "ip": row["address"], "port": row["port"]},
        "network": {"transport": row["protocol"], "type": _kind(row["address"])},
        "tls": {
            "server": {
                "hash": {"sha256": row["fingerprint"].upper()},
                "subject": row["subject"],
                "issuer": row["issuer"],
                "not_before": row["not_before"],
                "not_after": row["not_after"],
                "x509": {
                    "subject": {"distinguished_name": row["subject"]},
                    "issuer": {"distinguished_name": row["issuer"]},
                    "serial_number": row["serial"].upper(),
                    "not_before": row["not_before"],
                    "not_after": row["not_after"],
                    "alternative_names": row["names"],
                    "public_key_algorithm": row["key_type"] or None,
                    "public_key_size": row["key_size"] or None,
                    "signature_algorithm": row["signature"] or None,
                },
            },
        },
        "related": {"ip": [row["address"]], "hash": [row["fingerprint"].upper()]},
    }  # fmt: skip


def _change(row: Row) -> Document:
    return {
        "@timestamp": row["observed_at"],
        "message": " → ".join(text for text in (row["old"], row["new"]) if text) or None,
        "event": {
            "kind": "event", "category": ["host"], "type": ["change"], "action": row["kind"].replace(" ", "-"),
            "id": str(row["id"]), "ingested": row["recorded_at"],
        },
        "host": {"ip": [row["address"]] if row["address"] else []},
        "server": {"ip": row["address"] or None, "port": row["port"] or None},
        "network": {"transport": row["protocol"] or None},
        "related": {"ip": [row["address"]] if row["address"] else []},
    }  # fmt: skip


def _finding(row: Row) -> Document:
    return {
        "@timestamp": row["observed_at"],
        "message": row["detail"],
        "event": {
            "kind": "alert", "category": ["threat"], "type": ["indicator"],
            "reason": row["detail"], "risk_score": row["points"],
        },
        "host": {
            "ip": [row["address"]],
            "geo": {"country_iso_code": row["country_code"]},
            "risk": {"calculated_score": row["score"], "calculated_score_norm": _percent(row["score"])},
        },
        "rule": {"name": row["rule"], "version": row["rule_version"]},
        "related": {"ip": [row["address"]]},
    }  # fmt: skip


TABLES: Final[Mapping[str, Callable[[Row], Document]]] = {
    "hosts": _host,
    "ports": _port,
    "connections": _connection,
    "certificates": _certificate,
    "changes": _change,
    "findings": _finding,
}
"""Table → what makes a document of its rows."""
