"""Certificates are read from their DER, whatever is in it."""

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core.records import Certificate
from cobalt_tasks.core.x509 import LARGEST, parse

_START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
_KEY = ec.generate_private_key(ec.SECP256R1())


def make(
    common_name: str = "www.example.com",
    names: Sequence[x509.GeneralName] = (),
    issuer: str | None = None,
    key: ec.EllipticCurvePrivateKey = _KEY,
) -> bytes:
    """Return the DER of a certificate for _KEY, signed by `key`."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]) if issuer else subject)
        .public_key(_KEY.public_key())
        .serial_number(0xC0BA17)
        .not_valid_before(_START)
        .not_valid_after(_END)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def read(der: bytes) -> Certificate:
    """Return a certificate that must be readable."""
    certificate = parse(der)
    assert certificate is not None
    return certificate


def test_every_name_is_read() -> None:
    """All DNS names and addresses of subjectAltName and the common name are there, sorted, each once."""
    names = [
        x509.DNSName("WWW.example.com"),
        x509.DNSName("*.example.org"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.10")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("someone@example.com"),
    ]
    certificate = read(make("cn.example.com", names))
    assert certificate.names == ("*.example.org", "192.0.2.10", "2001:db8::1", "cn.example.com", "www.example.com")


def test_what_else_it_says() -> None:
    """Fingerprint, serial, subject and validity are those of the certificate."""
    der = make(issuer="Example CA", key=ec.generate_private_key(ec.SECP256R1()))
    certificate = read(der)
    assert certificate.fingerprint == hashlib.sha256(der).hexdigest()
    assert certificate.serial == "c0ba17"
    assert (certificate.subject, certificate.issuer) == ("CN=www.example.com", "CN=Example CA")
    assert (certificate.not_before, certificate.not_after) == (_START.timestamp(), _END.timestamp())
    assert certificate.der == der
    assert not certificate.self_signed


def test_self_signed_needs_the_signature() -> None:
    """A certificate that only names itself as its issuer, signed by another key, is not self-signed."""
    assert read(make()).self_signed
    assert not read(make(key=ec.generate_private_key(ec.SECP256R1()))).self_signed


def test_a_common_name_that_is_no_host_name_is_no_name() -> None:
    """People, organisations and hostile text in the common name do not become host names, and hold no NUL."""
    for common_name in ("Example CA", "router", "<script>.example.com", "a\x00b.example.com", "192.0.2.1"):
        certificate = read(make(common_name))
        assert certificate.names == ()
        assert "\x00" not in certificate.subject


def test_broken_extensions_leave_the_common_name() -> None:
    """A subjectAltName that cannot be decoded costs its names, not the certificate."""
    der = make("cn.example.com", [x509.DNSName("san.example.com")])
    # Tag 0x82 is a dNSName; 0x9f begins a tag that nothing defines.
    broken = der.replace(b"\x82\x0fsan.example.com", b"\x9f\x0fsan.example.com")
    assert broken != der
    assert read(broken).names == ("cn.example.com",)


def test_no_certificate_is_none() -> None:
    """What is no certificate, or cut, is None."""
    der = make()
    for other in (b"", b"\x30", der[:-1], der[:100], b"HTTP/1.1 200 OK", der + b"\x00"):
        assert parse(other) is None


def test_too_large_is_none() -> None:
    """A certificate larger than any real one is not looked at; a merely large one is."""
    names = [x509.DNSName(f"host-{number:05}.example.com") for number in range(16_000)]
    der = make(names=names)
    assert len(der) > LARGEST
    assert parse(der) is None
    assert len(read(make(names=names[:1000])).names) == 1001


@given(st.binary(max_size=500))
def test_any_bytes(raw: bytes) -> None:
    """No bytes whatever make the parser fail."""
    certificate = parse(raw)
    assert certificate is None or certificate.der == raw


_SAMPLE = make("cn.example.com", [x509.DNSName("san.example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])


@given(st.lists(st.tuples(st.integers(0, len(_SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutated_certificates(changes: list[tuple[int, int]]) -> None:
    """A real certificate with some bytes changed is read or refused, and its text can always be stored."""
    der = bytearray(_SAMPLE)
    for position, value in changes:
        der[position] = value
    certificate = parse(bytes(der))
    if certificate is not None:
        for text in (certificate.subject, certificate.issuer, certificate.serial, *certificate.names):
            assert "\x00" not in text
            assert text.encode().decode() == text
