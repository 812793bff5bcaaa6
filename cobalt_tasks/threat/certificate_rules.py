"""Rules about the certificate of a port, and the TLS it speaks."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.threat.findings import Finding, Port, finding

Points = Annotated[float, Meta(ge=0, le=1)]
Bits = Annotated[int, Meta(ge=0, le=65536)]

_SOURCE = "certificate"


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every rule has. points: its weight; 0 switches it off."""

    points: Points


class Expiring(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Certificates that expire within some days."""

    days: Annotated[float, Meta(ge=0)]


class WeakKey(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of fewer bits than these."""

    rsa_bits: Bits
    ec_bits: Bits


class WeakSignature(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signatures with one of these digests."""

    digests: frozenset[str]


class OldTls(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions of TLS that should not be accepted any more."""

    versions: frozenset[str]


class CertificateRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of the rules that is about certificates."""

    expired_certificate: Rule
    expiring_certificate: Expiring
    self_signed_certificate: Rule
    weak_key: WeakKey
    weak_signature: WeakSignature
    name_mismatch: Rule
    old_tls: OldTls


def of_certificate(rules: CertificateRules, address: str, port: Port, now: float) -> Iterable[Finding]:
    """Yield the findings from the certificate that a port showed last, and from that handshake.

    Args:
        rules: the rules in force.
        address: the host.
        port: what is known about the port.
        now: epoch seconds.

    """
    if port.not_after is None:
        return
    at, where = port.last_seen, f"{port.protocol}/{port.port}"
    for rule, points, detail in (*_of_time(rules, port, now), *_of_strength(rules, port), *_of_handshake(rules, port)):
        yield finding(address, rule, where, points, _SOURCE, at, f"the certificate at {where} {detail}")
    if old := sorted(rules.old_tls.versions & {port.handshake.tls, *port.handshake.versions}):
        points, detail = rules.old_tls.points, f"{where} accepts {' and '.join(old)}"
        yield finding(address, "old_tls", where, points, _SOURCE, at, detail)


_Matched = tuple[str, float, str]
"""A rule, its points, and what is so about the certificate."""


def _of_time(rules: CertificateRules, port: Port, now: float) -> Iterable[_Matched]:
    left = (port.not_after or now) - now
    if left < 0:
        yield "expired_certificate", rules.expired_certificate.points, "has expired"
    elif left < rules.expiring_certificate.days * DAY:
        yield "expiring_certificate", rules.expiring_certificate.points, f"expires in {left / DAY:.0f} days"
    if port.self_signed:
        yield "self_signed_certificate", rules.self_signed_certificate.points, "is self-signed"


def _of_strength(rules: CertificateRules, port: Port) -> Iterable[_Matched]:
    least = {"RSA": rules.weak_key.rsa_bits, "DSA": rules.weak_key.rsa_bits, "EC": rules.weak_key.ec_bits}
    size = port.key_size or 0
    if 0 < size < least.get(port.key_type or "", 0):
        yield "weak_key", rules.weak_key.points, f"has a {port.key_type} key of {size} bits"
    # Its own signature protects nothing: who trusts it, trusts the certificate itself.
    if not port.self_signed and port.signature in rules.weak_signature.digests:
        yield "weak_signature", rules.weak_signature.points, f"is signed with {(port.signature or '').upper()}"


def _of_handshake(rules: CertificateRules, port: Port) -> Iterable[_Matched]:
    if port.handshake.is_other_name:
        yield "name_mismatch", rules.name_mismatch.points, f"is not for {port.handshake.name}, which was asked for"
