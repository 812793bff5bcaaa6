"""Whole inputs of scanners, and what a reader made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise

NOW = 1_800_000_000.0


def parse(name: str, text: str | bytes, port: int | None = None) -> Batch:
    """Parse a whole input, which must be recognised as the format it is."""
    data = text.encode() if isinstance(text, str) else text
    chosen = recognise(data)
    assert (chosen.name if chosen else None) == name
    parser = named(name)()
    parser.port = port
    batch = Batch(7, NOW, parser.tool)
    cut = parser.split(data)
    parser.parse(data[:cut], 0, batch)
    parser.parse(data[cut:], cut, batch)
    return batch


def ports(batch: Batch) -> list[tuple[Any, ...]]:
    """Return discoveries as (address, protocol, port, time), without those that a host is up."""
    return [(row[1], row[2], row[3], row[5]) for row in batch.discoveries if row[2] != "ip"]


def spoken(batch: Batch) -> dict[int, Discovery]:
    """Return what was said, by port."""
    return {each.port: each for each in batch.banners}


def certificate() -> bytes:
    """Make a certificate that names two hosts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    alternative = x509.SubjectAlternativeName([x509.DNSName("www.example.com"), x509.DNSName("example.com")])
    signed = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)
