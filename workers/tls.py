"""TLS as probes speak it: with whatever is out there, nothing verified; and what a handshake shows, also a failed one."""

import ssl
import warnings
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

_CIPHERS: Final = "ALL:!kDHE:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"
"""Old ciphers too, but none where the server chooses the numbers: a Diffie-Hellman group of 10,000 bits costs seconds.
Neither are there any without a certificate.
"""

MADE: ContextVar[list[ssl.SSLObject] | None] = ContextVar("made", default=None)
"""The TLS objects of the present task's handshake: asyncio hands out none of a handshake that failed."""


_MOST_IN_CHAIN: Final = 10


def chain_of(handshake: ssl.SSLObject) -> list[bytes]:
    """Return the certificates that a peer showed, DER, its own first."""
    # Public from Python 3.13 on, where a method of the same name is the object's own.
    native: Any = getattr(handshake, "_sslobj", handshake)
    chain = native.get_unverified_chain() or ()
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in chain[:_MOST_IN_CHAIN]]


BEFORE_1_3: Final = "TLSv1.2 or older"
"""Only these end the handshake after the certificate was shown; the library names no version of one that failed."""


class _Context(ssl.SSLContext):
    """A context that shows the objects it makes to the task that asked for TLS."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Make an object as SSLContext does."""
        made = super().wrap_bio(*args, **options)
        if (listed := MADE.get()) is not None:
            listed.append(made)
        return made


def lenient_context() -> ssl.SSLContext:
    """Return what can talk to whatever is out there: old versions, old ciphers, nothing verified."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(_CIPHERS)
    # Servers without RFC 5746; Python names the option from 3.12 on.
    context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    return context


@lru_cache(maxsize=16)
def context_for(alpn: tuple[str, ...], highest: str | None, without: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return a lenient context that offers less, or more.

    Args:
        alpn: protocols inside TLS, the wanted ones first; empty for none.
        highest: the highest version, such as `TLSv1.1`; None for all.
        without: cipher suites that are left out; those of TLS 1.3 cannot be.

    """
    context = lenient_context()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if without:
        context.set_ciphers(":".join((_CIPHERS, *(f"!{name}" for name in without))))
    if highest:
        with warnings.catch_warnings():
            # The old versions are deprecated: that is what is to be found out.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.maximum_version = ssl.TLSVersion[highest.replace(".", "_")]
    return context
