"""What rules read of a port, and what they return."""

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True, gc=False):
    """One finding about a host: a rule that matched.

    `subject` distinguishes findings of one rule: an open port ("tcp/23"), one that connections went to ("to tcp/23"), the
    name of a list, or ''. `source` is what it was
    read from, `observed_at` when that was so, `detail` one line for people.
    """

    address: str
    rule: str
    subject: str
    points: float
    source: str
    observed_at: float
    detail: str


class Handshake(Struct, frozen=True, gc=False):
    """What the handshake showed beside the certificate: part of the details of a sighting.

    tls: the version that was agreed on; versions: those that are accepted, where that was tried.
    name: the name that was asked for; is_other_name: the certificate is for other names.
    """

    tls: str = ""
    versions: tuple[str, ...] = ()
    name: str = ""
    is_other_name: bool = False


class Port(Struct, frozen=True, kw_only=True, gc=False):
    """The facts about an open port that rules use. The certificate's fields are None where none was seen."""

    protocol: str
    port: int
    service: str | None
    first_seen: float
    last_seen: float
    self_signed: bool | None = None
    not_after: float | None = None
    key_type: str | None = None
    key_size: int | None = None
    signature: str | None = None
    handshake: Handshake = Handshake()


def finding(  # noqa: PLR0913, PLR0917  # a finding has as many parts
    address: str,
    rule: str,
    subject: str,
    points: float,
    source: str,
    observed_at: float,
    detail: str,
) -> Finding:
    """Return a finding of these parts.

    Args:
        address: the host.
        rule: the rule's name in rules.toml.
        subject: what it is about on the host.
        points: its weight.
        source: what it was read from.
        observed_at: when that was so, epoch seconds.
        detail: one line for people.

    """
    return Finding(
        address=address,
        rule=rule,
        subject=subject,
        points=points,
        source=source,
        observed_at=observed_at,
        detail=detail,
    )
