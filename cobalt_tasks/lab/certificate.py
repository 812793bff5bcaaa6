"""The lab's certificate: made once, kept in the state folder, made again before it runs out."""

import datetime as dt
import os
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cobalt_tasks.lab.endpoints import CERTIFICATE_NAMES

_FILE: Final = "lab.pem"
_LIFE: Final = dt.timedelta(days=90)
_LEFT: Final = dt.timedelta(days=1)


def context(folder: Path, address: str) -> ssl.SSLContext:
    """Return the context of a TLS server of the lab.

    folder: where the certificate is kept; address: the IP address that it must name.
    """
    path = folder / _FILE
    if not _is_good(path, address):
        _write(path, _make(address))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _is_good(path: Path, address: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    addresses = names.get_values_for_type(x509.IPAddress)
    return certificate.not_valid_after_utc - _now() > _LEFT and ip_address(address) in addresses


def _make(address: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CERTIFICATE_NAMES[0])])
    names = [*map(x509.DNSName, CERTIFICATE_NAMES), x509.IPAddress(ip_address(address))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _LEFT)
        .not_valid_after(_now() + _LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, pem: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    new.replace(path)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
