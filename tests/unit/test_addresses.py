"""Canonical addresses and the scope."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core.addresses import Scope, canonical, is_public
from cobalt_tasks.core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8:0::80]", "2001:db8::80"),
        ("[fe80::1%eth0]", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("999.8.8.8", None),
        ("192.0.2.01", None),
        ("", None),
        ("1" * 200, None),
    ],
)
def test_one_spelling_for_each_address(text: str, spelled: str | None) -> None:
    """Brackets, interfaces, capitals and mapped IPv4 have one form; what is no address has none."""
    assert canonical(text) == spelled


@given(st.ip_addresses())
def test_the_canonical_form_is_stable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """The form of a form is the form itself, and is the same address."""
    spelled = canonical(str(address))
    assert spelled is not None
    assert canonical(spelled) == spelled
    assert canonical(f"[{address}]") == spelled


@given(st.text(max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    """Any text gives an address or None, never an exception."""
    spelled = canonical(text)
    assert spelled is None or canonical(spelled) == spelled


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.7", "172.16.0.1", "192.168.1.20", "100.64.1.1", "127.0.0.1", "169.254.1.1", "192.0.2.1", "198.18.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "fc00::1", "fe80::1", "2001:db8::1", "ff02::fb", "0.0.0.0",
    ],
)  # fmt: skip
def test_what_never_leaves(address: str) -> None:
    """Private, reserved, documentation and multicast addresses are not public, whatever Python calls global."""
    assert not is_public(address)


def test_what_may_be_asked_about() -> None:
    """Global unicast addresses are public."""
    assert is_public("8.8.8.8")
    assert is_public("2001:4860:4860::8888")


def test_exclusions_always_win() -> None:
    """An excluded address is never probed: not as a discovery, not inside the scope: invariant 6 of docs/architecture.md.

    Break: the look at self._excluded in Scope.allows.
    """
    for scope in (Scope((), ("192.0.2.0/24",)), Scope(("192.0.0.0/8",), ("192.0.2.0/24",))):
        assert not scope.allows("192.0.2.9", discovered=True)


def test_without_a_scope_only_discoveries_are_probed() -> None:
    """What was merely seen in traffic is not, as long as no scope is set."""
    assert Scope().allows("192.0.2.9", discovered=True)
    assert not Scope().allows("192.0.2.9", discovered=False)


def test_a_scope_bounds_discoveries_too() -> None:
    """Once a scope is set, it decides for both."""
    scope = Scope(("192.0.2.0/28", "2001:db8::/64"))
    assert scope.allows("192.0.2.9", discovered=False)
    assert scope.allows("2001:db8::9", discovered=True)
    assert not scope.allows("192.0.2.99", discovered=True)


def test_a_network_that_is_none_is_told() -> None:
    """A typo in the settings names the variable and the text."""
    with pytest.raises(ConfigurationError, match=r"COBALT_SCOPE: '192\.0\.2\.0/33'"):
        Scope(("192.0.2.0/33",))


def test_bits_behind_the_prefix_are_refused() -> None:
    """10.0.0.1/8 may mean one address or sixteen million: the message names both."""
    with pytest.raises(ConfigurationError, match=r"write 10\.0\.0\.0/8 for the network, or 10\.0\.0\.1 for"):
        Scope(("10.0.0.1/8",))
    with pytest.raises(ConfigurationError, match="COBALT_EXCLUDE"):
        Scope((), ("2001:db8::1/32",))


@pytest.mark.parametrize("address", ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "64:ff9b::", "224.0.0.1", "ff02::1"])
@pytest.mark.parametrize("scope", [Scope(), Scope(["0.0.0.0/0", "::/0"])], ids=["none", "everything"])
def test_what_is_no_host_is_never_probed(address: str, scope: Scope) -> None:
    """Linux connects 0.0.0.0 and :: to this machine itself: invariant 6."""
    assert not scope.allows(address, discovered=True)


def test_mapped_networks_are_the_ipv4_networks_they_are() -> None:
    """Addresses lose their ::ffff: when they are read, and so do the networks they are compared with."""
    scope = Scope(["::ffff:10.0.0.0/104"], ["::ffff:10.9.0.0/112", "::ffff:10.8.0.1"])
    assert scope.allows("10.1.2.3", discovered=False)
    assert not scope.allows("11.1.2.3", discovered=True)
    assert not scope.allows("10.9.2.3", discovered=True)
    assert not scope.allows("10.8.0.1", discovered=True)


CARRIERS = [
    "::ffff:10.1.2.3",
    "::10.1.2.3",
    "::ffff:0:10.1.2.3",
    "64:ff9b::10.1.2.3",
    "64:ff9b:1::10.1.2.3",
    "64:ff9b:1:a01:2:300::",
    "64:ff9b:1:aa0a:1:203::",
    "64:ff9b:1:aaaa:a:102:300:0",
    "2002:a01:203::1",
    "2001:0:808:808::f5fe:fdfc",
    "2001:0:a01:203::f7f7:f7f7",
    "fe80::5efe:10.1.2.3",
    "2001:db8::200:5efe:10.1.2.3",
]
"""10.1.2.3 in each form in which an IPv6 address carries it (RFC 4291, 2765, 6052, 8215, 3056, 4380, 5214)."""


@pytest.mark.parametrize("address", CARRIERS)
def test_the_ipv4_inside_counts(address: str) -> None:
    """An excluded or private host is not reached, and not told to a provider, by another spelling of its address."""
    excluding = Scope((), ["10.1.2.0/24"])
    assert not excluding.allows(address, discovered=True)
    assert excluding.excludes(address)
    assert not Scope(["::/0"], ["10.1.2.0/24"]).allows(address, discovered=True)
    assert not Scope(["::/0"]).allows(address, discovered=True), "IPv4 is not in this scope"
    assert Scope(["::/0", "0.0.0.0/0"]).allows(address, discovered=False)
    assert not Scope(["10.0.0.0/8"]).allows(address, discovered=True), "the packet would go to IPv6"
    assert not is_public(address)


def test_a_scope_may_name_a_form_itself() -> None:
    """Who names a NAT64 or 6to4 network means the hosts behind it."""
    assert Scope(["64:ff9b::/96"]).allows("64:ff9b::192.0.2.1", discovered=True)
    assert Scope(["2002:c000:200::/40"]).allows("2002:c000:201::1", discovered=True)
    assert not Scope(["64::/16"]).allows("64:ff9b::192.0.2.1", discovered=True)


def test_ordinary_ipv6_carries_nothing() -> None:
    """No exclusion of IPv4 bars an ordinary IPv6 address."""
    scope = Scope(["::/0"], ["0.0.0.0/0"])
    for address in ("::1", "2001:4860:4860::8888", "fe80::1", "2001:db8::5eff:a01:203"):
        assert scope.allows(address, discovered=True), address
        assert not scope.excludes(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.0.9", True), ("192.0.0.8", False), ("192.88.99.1", False), ("192.31.196.1", True), ("2002:808:808::1", False),
        ("64:ff9b::8.8.8.8", True), ("64:ff9b:1::808:808", False), ("2001:1::1", True), ("2001:2::1", False),
        ("2001:20::1", True), ("3fff::1", False), ("5f00::1", False), ("fec0::1", False), ("4000::1", False),
        ("2620:4f:8000::1", True), ("100::1", False), ("100:0:0:1::1", False),
    ],
)  # fmt: skip
def test_special_purpose_networks(address: str, expected: bool) -> None:
    """IANA's registries decide, not the version of Python (3.11 calls 3fff::1, 5f00::1 and 192.88.99.1 global)."""
    assert is_public(address) is expected


def test_many_exclusions_cost_no_more_than_one() -> None:
    """The networks are looked up, not walked."""
    scope = Scope((), [f"10.{high}.{low}.0/24" for high in range(256) for low in range(0, 256, 2)])
    assert len(scope.excluded) == 32768
    assert not scope.allows("10.255.254.9", discovered=True)
    assert scope.allows("10.255.255.9", discovered=True)


def test_a_scope_in_words() -> None:
    """What `cobalt doctor` prints."""
    assert Scope().in_words() == (
        "probes: only what your own scans reported; hosts only seen in traffic: never probed; nothing is excluded"
    )
    assert Scope(["127.0.0.0/8"], ["127.0.0.9"]).in_words() == (
        "probes: only 127.0.0.0/8; hosts only seen in traffic: probed if in there; never, not even looked up: 127.0.0.9"
    )


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("2002:c000:204::", False),
        ("2002:c000:300::", True),
        ("2002:c000:3ff:ffff:ffff:ffff:ffff:ffff", True),
        ("2002:c000:400::", False),
    ],
)
def test_a_network_that_names_a_form_allows_what_lies_in_it(address: str, *, is_allowed: bool) -> None:
    """A 6to4 network in the scope allows its own addresses, to the first and the last, whatever wider network is there too.

    Break: either comparison, or the last address, in Scope._allows_inside.
    """
    scope = Scope(["2000::/3", "2002:c000:300::/40"])
    assert scope.allows(address, discovered=True) is is_allowed
