"""Programs that show their version at a path of their own over HTTP: what etcd, Docker and Kubernetes have in common."""

import re
from collections.abc import Callable

from cobalt_tasks.protocols import web
from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean


def protocol(  # noqa: PLR0913  # what distinguishes programs
    name: str,
    product: str,
    path: str,
    version: bytes,
    *,
    ports: tuple[int, ...],
    tls_ports: tuple[int, ...] = (),
) -> Protocol:
    """Return the protocol of a program that answers at `path` of its own ports.

    name, product: what it is called; its service is http all the same.
    version: a pattern of the answer that no other program matches, with one group.
    ports, tls_ports: as in Protocol.
    """
    return Protocol(
        name=name,
        recognise=_recogniser(product, re.compile(version)),
        words=lambda target: web.request(target, path),
        is_complete=web.is_complete,
        ports=ports,
        tls_ports=tls_ports,
    )


def _recogniser(product: str, version: re.Pattern[bytes]) -> Callable[[bytes], Fingerprint | None]:
    def recognise(raw: bytes) -> Fingerprint | None:
        found = version.search(raw) if raw.startswith(b"HTTP/1.") else None
        return Fingerprint("http", product, clean(found[1])) if found else None

    return recognise
