"""Small databases in MaxMind's format."""

from collections.abc import Mapping
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet


def write_mmdb(path: Path, kind: str, records: Mapping[str, object], ip_version: int = 6) -> Path:
    """Write a database of records by network; return its path."""
    writer = MMDBWriter(ip_version, kind, languages=["en"], ipv4_compatible=ip_version == 6, float_type="f32")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path
