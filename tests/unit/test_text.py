"""Text from the network."""

import pytest

from cobalt_tasks.core.text import mac_address


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("00:00:5E:00:53:01", "00:00:5e:00:53:01"),
        ("00-00-5e-00-53-01", "00:00:5e:00:53:01"),
        ("0000.5e00.5301", "00:00:5e:00:53:01"),
        ("00:00:00:00:00:00", None),
        ("ff:ff:ff:ff:ff:ff", None),
        ("01:00:5e:00:00:fb", None),
        ("00:00:5e:00:53", None),
        ("", None),
        ("٠0:00:5e:00:53:01", None),
    ],
)
def test_a_mac_address_has_one_spelling(text: str, meant: str | None) -> None:
    """Separators and case disappear; zeros, groups and anything else are no address of a host."""
    assert mac_address(text) == meant
