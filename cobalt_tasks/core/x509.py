"""X.509 certificates from their DER (RFC 5280), as tolerant as certificates in the wild need."""

import base64
import hashlib
import warnings
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from cobalt_tasks.core.records import Certificate
from cobalt_tasks.core.text import hostname, printable

LARGEST: Final = 256 * 1024
"""Bytes of a DER that is looked at; the largest in use have about 30 KiB."""

_PEM_LINE: Final = 64

_KEYS: Final = {
    rsa.RSAPublicKey: "RSA",
    ec.EllipticCurvePublicKey: "EC",
    dsa.DSAPublicKey: "DSA",
    ed25519.Ed25519PublicKey: "Ed25519",
    ed448.Ed448PublicKey: "Ed448",
}
_BITS: Final = {"Ed25519": 256, "Ed448": 456}

_MOST_NAMES: Final = 2000
_UNREADABLE = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)
_BAD_EXTENSION = (*_UNREADABLE, x509.DuplicateExtension, x509.ExtensionNotFound, x509.UnsupportedGeneralNameType)


def parse(der: bytes) -> Certificate | None:
    """Read a certificate, or return None when it is none.

    `names` are all DNS names (wildcards too) and IP addresses of subjectAltName, and the common name where it is a host
    name. When the extensions cannot be read, only the common name is there. `fingerprint` is the SHA-256 of the DER and
    `serial` the serial number, both in lower-case hexadecimal.
    """
    if len(der) > LARGEST:
        return None
    with warnings.catch_warnings():
        # Serial numbers of zero, countries of five letters: what there is out there, not our mistake.
        warnings.simplefilter("ignore")
        try:
            return _read(der)
        except _UNREADABLE:
            return None


def names_of(der: bytes) -> tuple[str, str] | None:
    """Return subject and issuer of a certificate as RFC 4514 writes them; None when it is none. Verifies no signature."""
    if len(der) > LARGEST:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = x509.load_der_x509_certificate(der)
            return _text(parsed.subject), _text(parsed.issuer)
        except _UNREADABLE:
            return None


def _read(der: bytes) -> Certificate:
    parsed = x509.load_der_x509_certificate(der)
    key = _key(parsed)
    return Certificate(
        fingerprint=hashlib.sha256(der).hexdigest(),
        der=der,
        subject=_text(parsed.subject),
        issuer=_text(parsed.issuer),
        serial=f"{parsed.serial_number:x}",
        not_before=parsed.not_valid_before_utc.timestamp(),
        not_after=parsed.not_valid_after_utc.timestamp(),
        self_signed=_self_signed(parsed),
        names=tuple(sorted({*_alternative_names(parsed), *_common_names(parsed)})[:_MOST_NAMES]),
        public_key=_key_digest(parsed),
        key_type=key[0],
        key_size=key[1],
        signature=_signature(parsed),
    )


def key_digest(der: bytes) -> str:
    """Return the SHA-256 of a certificate's public key in hexadecimal, '' where it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _key_digest(x509.load_der_x509_certificate(der))
        except _UNREADABLE:
            return ""


def _key_digest(parsed: x509.Certificate) -> str:
    try:
        info = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _UNREADABLE:
        return ""
    return hashlib.sha256(info).hexdigest()


def strength(der: bytes) -> tuple[str, int, str]:
    """Return (type, bits, signature) of a certificate's key and signature; ('', 0, '') where it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = x509.load_der_x509_certificate(der)
            return (*_key(parsed), _signature(parsed))
        except _UNREADABLE:
            return "", 0, ""


def _key(parsed: x509.Certificate) -> tuple[str, int]:
    """Return type and size of a certificate's key; ('', 0) of one that cannot be read."""
    try:
        key = parsed.public_key()
    except _UNREADABLE:
        return "", 0
    for kind, name in _KEYS.items():
        if isinstance(key, kind):
            return name, getattr(key, "key_size", 0) or _BITS.get(name, 0)
    return "", 0


def _signature(parsed: x509.Certificate) -> str:
    """Return the digest of a certificate's signature, or its algorithm where that has a digest of its own; '' if unknown."""
    try:
        digest = parsed.signature_hash_algorithm
    except _UNREADABLE:
        return ""
    name = digest.name if digest else getattr(parsed.signature_algorithm_oid, "_name", "")
    return name.lower().replace("unknown oid", "")


def pem(der: bytes) -> str:
    """Return a certificate in PEM (RFC 7468); empty for no bytes."""
    if not der:
        return ""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + _PEM_LINE] for at in range(0, len(text), _PEM_LINE)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def _text(name: x509.Name) -> str:
    return printable(name.rfc4514_string().encode("utf-8", "replace"))


def _alternative_names(parsed: x509.Certificate) -> list[str]:
    try:
        extension = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _BAD_EXTENSION:
        return []
    names = [hostname(name, wildcard=True) for name in extension.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    return [name for name in names if name] + addresses


def _common_names(parsed: x509.Certificate) -> list[str]:
    values = [attribute.value for attribute in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [name for value in values if isinstance(value, str) and (name := hostname(value, wildcard=True))]


def _self_signed(parsed: x509.Certificate) -> bool:
    """Issued to itself, and not refuted by the signature; one that cannot be checked refutes nothing."""
    if parsed.issuer != parsed.subject:
        return False
    try:
        parsed.verify_directly_issued_by(parsed)
    except InvalidSignature:
        return False
    except _UNREADABLE:
        return True
    return True
