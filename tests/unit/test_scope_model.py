"""The scope, and what is public, against a model that only uses Python's `ipaddress` and the forms of the RFCs."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from hypothesis import example, given
from hypothesis import strategies as st

from cobalt_tasks.core.addresses import Scope, canonical, is_public
from cobalt_tasks.core.special_networks import GLOBAL_WITHIN, NEVER_PROBED, NOT_GLOBAL, NetworkSet

NEVER = [ip_network(each) for each in NEVER_PROBED]
LAST = 0xFFFFFFFF
Form = tuple[Callable[[int], int], int]


def under(prefix: str, bits: int = 0) -> Callable[[int], int]:
    """Return what puts an IPv4 number below a prefix, so many bits from the end."""
    return lambda number: int(ip_network(prefix).network_address) | number << bits


FORMS: tuple[Form, ...] = (
    (under("::/96"), 96),
    (under("::ffff:0:0:0/96"), 96),
    (under("64:ff9b::/96"), 96),
    (under("2002::/16", 80), 16),
    # Teredo: the client with its bits flipped; the server is 8.8.8.8, or the other way round.
    (lambda number: under("2001::/32", 64)(0x08080808) | (number ^ LAST), 32),
    (lambda number: under("2001::/32", 64)(number) | (0x08080808 ^ LAST), 32),
    (under("2001:4860::5efe:0:0/96"), 96),
    (under("2001:4860::200:5efe:0:0/96"), 96),
)
"""How an IPv6 address carries an IPv4 address, and the length of the prefix that means so."""

EDGES = sorted(
    {
        number
        for text in (*NOT_GLOBAL, *GLOBAL_WITHIN, *NEVER_PROBED, "10.1.2.0/24", "8.8.8.0/24", "8.8.8.8/32")
        if (network := ip_network(text)).version == 4
        for number in (int(network[0]) - 1, int(network[0]), int(network[-1]), int(network[-1]) + 1)
        if 0 <= number <= LAST
    }
)
FOURS = st.sampled_from(EDGES) | st.integers(0, LAST)
NETWORKS_4 = st.tuples(FOURS, st.integers(0, 32)).map(lambda each: str(ip_network(each, strict=False)))
SIXES = st.tuples(FOURS, st.sampled_from(FORMS)).map(lambda each: each[1][0](each[0]))
NETWORKS_6 = st.tuples(SIXES, st.sampled_from([0, 8, 15, 16, 17, 31, 32, 48, 95, 96, 97, 128])).map(
    lambda each: str(ip_network(each, strict=False))
)
NETWORKS = st.lists(NETWORKS_4 | NETWORKS_6, max_size=4)
MAPPED = ip_network("::ffff:0:0/96")


def plain(text: str) -> object:
    """Return the network that a text means: a mapped one is the IPv4 network."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        return ip_network((int(network[0]) & LAST, network.prefixlen - 96))
    return network


def contains(networks: list[str], address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address lies in one of the networks."""
    return any(address in plain(each) for each in networks)  # type: ignore[operator]


def may(address: IPv4Address | IPv6Address, allowed: list[str], excluded: list[str]) -> bool:
    """Return whether nothing bars one address by itself, whatever it carries."""
    is_never = any(address in each for each in NEVER)
    return not is_never and not contains(excluded, address) and (not allowed or contains(allowed, address))


@given(FOURS, NETWORKS, NETWORKS, st.booleans())
def test_ipv4_is_probed_in_scope_only(number: int, allowed: list[str], excluded: list[str], discovered: bool) -> None:
    """Invariant 6 of docs/architecture.md: in the scope, or discovered while none is set; never what is excluded or no host.

    Break: any comparison of Scope.allows, Scope.excludes or NetworkSet.
    """
    address, scope = IPv4Address(number), Scope(allowed, excluded)
    expected = (discovered or bool(allowed)) and may(address, allowed, excluded)
    assert scope.allows(str(address), discovered=discovered) is expected
    assert scope.excludes(str(address)) is contains(excluded, address)


@given(FOURS, st.sampled_from(FORMS), NETWORKS, NETWORKS, st.booleans())
def test_ipv6_is_probed_only_if_what_it_carries_may_be(
    number: int, form: Form, allowed: list[str], excluded: list[str], discovered: bool
) -> None:
    """Both addresses are bound; where a scope is set, a network that names the form itself stands for the IPv4 scope."""
    make, length = form
    address = ip_address(str(canonical(str(IPv6Address(make(number))))))
    if make(number) <= 1:
        return
    inside = {IPv4Address(number), IPv4Address(0x08080808)} if length == 32 else {IPv4Address(number)}
    scope = Scope(allowed, excluded)
    named = any(
        isinstance(each, IPv6Network) and each.prefixlen >= length and address in each for each in map(plain, allowed)
    )
    expected = (discovered or bool(allowed)) and may(address, allowed, excluded)
    expected = expected and all(may(each, [] if named else allowed, excluded) for each in inside)
    assert scope.allows(str(address), discovered=discovered) is expected
    assert scope.excludes(str(address)) is (
        contains(excluded, address) or any(contains(excluded, each) for each in inside)
    )


def is_global(address: IPv4Address | IPv6Address) -> bool:
    """Return whether IANA's tables call an address global."""
    inner = any(address in ip_network(each) for each in GLOBAL_WITHIN)
    return inner or not any(address in ip_network(each) for each in NOT_GLOBAL)


@given(FOURS, st.sampled_from(FORMS))
def test_what_is_sent_to_a_provider_is_global_and_carries_nothing_else(number: int, form: Form) -> None:
    """An address is public only if all the addresses it carries are. Break: `all` or `and` in is_public."""
    four = IPv4Address(number)
    assert is_public(str(four)) is is_global(four)
    make, length = form
    six = IPv6Address(make(number))
    if six.ipv4_mapped is None and make(number) > 1:
        inside = [four, IPv4Address(0x08080808)] if length == 32 else [four]
        assert is_public(str(six)) is (is_global(six) and all(map(is_global, inside)))


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=6), st.integers(-1, 256))
@example([(0, 25), (128, 25)], 128)
@example([(0, 24), (9, 32)], 200)
def test_a_set_of_networks_is_their_union(networks: list[tuple[int, int]], last: int) -> None:
    """Merging loses and adds no address: nested, adjacent and equal networks, and the addresses beside them."""
    base = int(IPv4Address("192.0.2.0"))
    made = [ip_network((base + number, length), strict=False) for number, length in networks]
    inside = any(IPv4Address(base + last) in each for each in made)
    assert ((4, base + last) in NetworkSet(made)) is inside
    assert (6, base + last) not in NetworkSet(made)
