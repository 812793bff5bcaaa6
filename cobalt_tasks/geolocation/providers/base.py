"""What every online provider has: its terms, and `ask`. `Client` is the HTTP client they share."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from cobalt_tasks.geolocation.providers.transport import Reply, Transport
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.limits import NO_HEADERS, RateLimitHeaders, Terms

ASK_SECONDS: Final = 12.0
"""The longest time of one call, from the first packet to the last byte; the claim of its jobs lasts longer."""

Failure = Literal["unreachable", "bad", "busy", "denied"]


class Answer(Struct, frozen=True, kw_only=True):
    """The result of one call, by address.

    Attributes:
        locations: what the provider reports, made by `location.location_of`. It left out an address without any entry.
        negative: addresses that will never have a location, and why ("private range").
        unasked: addresses this call had no time for; they wait for another one.
        rate_limit: what its headers report of its quota.

    """

    locations: dict[str, Location]
    negative: dict[str, str] = {}
    unasked: frozenset[str] = frozenset()
    rate_limit: RateLimitHeaders = NO_HEADERS


class ProviderError(Exception):
    """A call failed.

    Attributes:
        failure: unreachable (no answer), bad (an unusable answer), busy (over the limit), denied (not allowed).
        resets_in: seconds until the provider wants to be asked again; None if it reported none.

    """

    def __init__(self, failure: Failure, reason: str, resets_in: float | None = None) -> None:
        """Keep what failed.

        Args:
            failure: what kind of failure.
            reason: one line.
            resets_in: seconds until the provider wants to be asked again; None if it reported none.

        """
        super().__init__(reason)
        self.failure: Failure = failure
        self.resets_in = resets_in


class Provider(Protocol):
    """A remote geolocation service."""

    @property
    def terms(self) -> Terms:
        """Its name as in COBALT_GEO_PROVIDERS, what one call takes, and the windows it is counted in."""
        ...

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Make one call for at most `terms.batch` addresses.

        Raises:
            ProviderError: it failed.

        """
        ...


class Client:
    """The HTTP client of one provider, for one thread. It opens its session with the first request."""

    def __init__(self, scope: Scope) -> None:
        """Never connect to an address that `scope` excludes."""
        self._scope = scope
        self._transport: Transport | None = None

    def exchange(  # noqa: PLR0913  # a request has as many parts
        self,
        method: str,
        url: str,
        *,
        largest: int,
        parameters: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        expected: frozenset[int] = frozenset(),
        within: float = ASK_SECONDS,
    ) -> "Reply":
        """Make one request and return its answer.

        Args:
            method: GET or POST.
            url: the URL, without parameters.
            largest: the longest body that is read, in bytes.
            parameters: the query.
            headers: headers of the request.
            body: the body of the request.
            expected: status codes besides 200 whose answer is returned.
            within: seconds for the whole exchange, `ASK_SECONDS` at most.

        Raises:
            ProviderError: there is no answer, or it has another status.

        """
        # The HTTP library: most commands import the providers for their settings only.
        from cobalt_tasks.geolocation.providers.transport import (  # noqa: PLC0415
            BadReplyError,
            Transport,
            UnreachableError,
        )

        if self._transport is None:
            self._transport = Transport(self._scope)
        try:
            reply = self._transport.ask(
                method, url, seconds=within, largest=largest, parameters=parameters, headers=headers, body=body
            )
        except UnreachableError as error:
            raise ProviderError("unreachable", str(error)) from error
        except BadReplyError as error:
            raise ProviderError("bad", str(error)) from error
        if reply.status != HTTPStatus.OK and reply.status not in expected:
            raise _refusal(reply)
        return reply


def _refusal(reply: "Reply") -> ProviderError:
    match reply.status:
        case 429:
            wanted = seconds(reply.headers.get("retry-after")) or seconds(reply.headers.get("x-ttl"))
            return ProviderError("busy", "over the limit (429)", wanted)
        case 401 | 403:
            return ProviderError("denied", f"access denied ({reply.status})")
        case status:
            return ProviderError("bad", f"answered {status}")


def seconds(text: str | None) -> float | None:
    """Return a number of seconds, or of calls, from a header; None if it is no number or absurdly large."""
    longest = 9
    return float(text) if text and text.isascii() and text.isdigit() and len(text) <= longest else None


def one_by_one(addresses: Sequence[str], ask: Callable[[str, float], Location | str]) -> Answer:
    """Ask for addresses one after the other, within the time of one call.

    Args:
        addresses: canonical.
        ask: called with an address and the seconds left; returns the location, or why it has none.

    Raises:
        ProviderError: the first request failed. A later failure ends the call; the other addresses stay unasked.

    """
    deadline = time.monotonic() + ASK_SECONDS
    locations: dict[str, Location] = {}
    negative: dict[str, str] = {}
    for index, address in enumerate(addresses):
        left = deadline - time.monotonic()
        try:
            found = ask(address, left) if left > 0 else None
        except ProviderError:
            if not index:
                raise
            found = None
        if found is None:
            return Answer(locations=locations, negative=negative, unasked=frozenset(addresses[index:]))
        if isinstance(found, str):
            negative[address] = found
        else:
            locations[address] = found
    return Answer(locations=locations, negative=negative)


def decoded(reply: "Reply") -> object:
    """Return the JSON of an answer.

    Raises:
        ProviderError: it is not JSON.

    """
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderError("bad", f"not JSON: {error}"[:200]) from error
