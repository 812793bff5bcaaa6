"""Lists of bad addresses, in their publishers' forms."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.blocklists import Blocklist, parse_line, read
from cobalt_tasks.errors import ConfigurationError

FORMS = {
    "FireHOL netset": "# FireHOL level 1\n#\n203.0.113.0/28\n198.51.100.7\n",
    "Spamhaus DROP": "; Spamhaus DROP List 2026/11/22\n203.0.113.0/28 ; SBL1\n198.51.100.7/32 ; SBL2\n",
    "Spamhaus DROP as JSON": (
        '{"cidr":"203.0.113.0/28","sblid":"SBL1","rir":"ripencc"}\n{"cidr":"198.51.100.7/32","sblid":"SBL2"}\n'
        '{"type":"metadata","timestamp":1763769600,"size":2}\n'
    ),
    "abuse.ch text": "################\n# Feodo Tracker\r\n203.0.113.0/28\r\n198.51.100.7\r\n# END\r\n",
    "abuse.ch CSV": (
        '# "first_seen_utc","dst_ip","dst_port"\n"first_seen_utc","dst_ip","dst_port"\n'
        '"2026-11-01 10:00:00","203.0.113.0/28","443","online"\n"2026-11-01 10:00:01","198.51.100.7","8080"\n'
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_what_it_lists(form: str) -> None:
    """A network, an address, and nothing beside them."""
    found = Blocklist(form, 0.5, FORMS[form].splitlines())
    assert len(found) == 2
    assert [a in found for a in ("203.0.113.0", "203.0.113.15", "198.51.100.7")] == [True] * 3
    assert [a in found for a in ("203.0.112.255", "203.0.113.16", "198.51.100.8", "2001:db8::1")] == [False] * 4


def test_both_families_live_in_one_list() -> None:
    """IPv6 networks are found, and are not mixed up with IPv4 numbers."""
    found = Blocklist("x", 1, ["2001:db8::/32", "0.0.0.1"])
    assert "2001:db8:ffff::1" in found
    assert "::1" not in found
    assert "0.0.0.1" in found


NETWORKS = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(lambda pair: ip_network(pair, strict=False)),
    max_size=20,
)


@given(NETWORKS, st.integers(0, 2**32 - 1))
def test_it_finds_what_a_search_finds(networks: list[object], value: int) -> None:
    """For any networks, overlapping ones too."""
    found = Blocklist("x", 1, map(str, networks))
    for number in [value, *(int(network.network_address) for network in networks)]:  # type: ignore[attr-defined]
        address = ip_address(number)
        assert (str(address) in found) == any(address in network for network in networks)  # type: ignore[operator]


@given(st.text())
def test_no_line_breaks_the_reader(line: str) -> None:
    """Any text is an entry or is passed over."""
    found = parse_line(line)
    assert found is None or found[1] <= found[2]


@pytest.mark.parametrize("content", ["", "# nothing\n", "<html>\n"])
def test_a_file_without_any_entry_is_refused(tmp_path: Path, content: str) -> None:
    """A list that silently lists nobody would look like good news."""
    (tmp_path / "x").write_text(content)
    with pytest.raises(ConfigurationError, match="holds no address"):
        read("x", 1, tmp_path / "x")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line, with the path."""
    with pytest.raises(ConfigurationError, match="nowhere"):
        read("x", 1, tmp_path / "nowhere")
