"""TLS as probes speak it: with whatever is out there, nothing verified; and what a handshake shows, also a failed one."""

import _ssl
import asyncio
import ctypes
import ssl
import warnings
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from workers.handshake_bytes import HANDSHAKE_BYTES, LONGEST_CHAIN

_CIPHERS: Final = "ALL:!kDHE:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"
"""Old ciphers too, but none where the server chooses the numbers: a Diffie-Hellman group of 10,000 bits costs seconds.
Neither are there any without a certificate.
"""


class TlsHandshake:
    """A handshake of a job: whose it is, and its TLS object, which asyncio does not return when the handshake fails."""

    def __init__(self) -> None:
        """Belong to the current task."""
        self.holder = asyncio.current_task()
        self.made: ssl.SSLObject | None = None


HANDSHAKE: ContextVar[TlsHandshake | None] = ContextVar("handshake", default=None)
"""That of the present task."""


_MOST_IN_CHAIN: Final = 10


def chain_of(handshake: ssl.SSLObject) -> list[bytes]:
    """Return the certificates that a peer showed, DER, its own first."""
    # Public from Python 3.13 on, where a method of the same name is the object's own.
    native: Any = getattr(handshake, "_sslobj", handshake)
    chain = native.get_unverified_chain() or ()
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in chain[:_MOST_IN_CHAIN]]


BEFORE_1_3: Final = "TLSv1.2 or older"
"""Only these end the handshake after the certificate was shown; the library names no version of one that failed."""


TOO_LONG: Final = "EXCESSIVE_MESSAGE_SIZE"
"""How OpenSSL refuses more certificates than it accepts, before it knows which they are."""

UNKNOWN_VERSION: Final = "TLS"


class _Counted(ssl.SSLObject):
    """A TLS object that counts the bytes of its handshake for the job that holds them."""

    incoming: ssl.MemoryBIO
    handshake: TlsHandshake | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake as SSLObject does.

        Raises:
            NoRoomError: this process holds as many bytes of handshakes as it may.

        """
        if self.handshake and self.handshake.holder:
            HANDSHAKE_BYTES.take(self.handshake.holder, self.incoming.pending)
        super().do_handshake()


class _Context(ssl.SSLContext):
    """A context that shows the objects it makes to the task that asked for TLS."""

    sslobject_class = _Counted

    def wrap_bio(self, incoming: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        """Make an object as SSLContext does. `incoming`: where the bytes of the peer arrive."""
        made = super().wrap_bio(incoming, *args, **options)
        if isinstance(made, _Counted):
            made.incoming, made.handshake = incoming, HANDSHAKE.get()
            if made.handshake:
                made.handshake.made = made
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
    _accept_long_chains(context)
    return context


_GET_MAX_CERT_LIST, _SET_MAX_CERT_LIST = 50, 51
_MAX_CERT_LIST: Final = 100 * 1024
"""OpenSSL's own bound for the certificates of one handshake (ssl.h)."""


def _accept_long_chains(context: ssl.SSLContext) -> None:
    """Raise OpenSSL's bound for the certificates of a handshake, which Python has no function for.

    Where Python is built in another way, the bound stays as it is.
    """
    with suppress(AttributeError, OSError):
        control = ctypes.CDLL(_ssl.__file__).SSL_CTX_ctrl
        control.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p
        control.restype = ctypes.c_long
        # The first field of the object of a context, after those that every object has.
        native = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
        if control(native, _GET_MAX_CERT_LIST, 0, None) == _MAX_CERT_LIST:
            control(native, _SET_MAX_CERT_LIST, LONGEST_CHAIN, None)


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
