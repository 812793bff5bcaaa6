"""Canonical addresses and the scope."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.addresses import Scope, canonical, is_public
from cobalt_tasks.errors import ConfigurationError


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
    """An excluded address is never probed: not as a discovery, not inside the scope: invariant 6.

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
