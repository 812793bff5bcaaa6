"""AMQP: the protocol header a server answers with when it was spoken to wrongly (AMQP 0-9-1, 4.2.2)."""

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_MAGIC = b"AMQP"
_HEADER = 8


def recognise(raw: bytes) -> Fingerprint | None:
    """`AMQP`, 0, and three numbers of the version."""
    if not raw.startswith(_MAGIC) or len(raw) < _HEADER:
        return None
    return Fingerprint("amqp", None, ".".join(str(number) for number in raw[5:8]))


PROTOCOL = Protocol(name="amqp", recognise=recognise, ports=(5672,), tls_ports=(5671,), name_in_tls="amqps")
