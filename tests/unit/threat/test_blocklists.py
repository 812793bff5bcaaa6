"""Lists of bad addresses, in their publishers' forms."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.threat.blocklists import Blocklist, entries, parse_line, read

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
    "abuse.ch CSV with ports": (
        '"2026-11-01 10:00:00", "1", "198.51.100.7:443", "ip:port", "botnet_cc"\n'
        '"2026-11-01 10:00:00", "2", "203.0.113.0/28", "ip", "botnet_cc"\n'
    ),
    "abuse.ch CSV of URLs": (
        '"1","2026-11-01 10:00:00","http://198.51.100.7:8080/bin.sh","online"\n'
        '"2","2026-11-01 10:00:00","https://malware.example/198.51.100.9","online"\n203.0.113.0/28\n'
    ),
    "abuse.ch JSON, printed": (
        '[\n    {\n        "ip_address": "198.51.100.7",\n        "port": 443,\n        "first_seen": "2026-11-01 10:00:00"'
        '\n    },\n    {\n        "ip_address": "203.0.113.0\\/28",\n        "hostname": null\n    }\n]\n'
    ),
    "abuse.ch JSON in one line": (
        '[{"ip_address":"198.51.100.7","port":443,"as_name":"8.8.8.8"},' + '{"x":"' + "y" * 2000 + '"},'
        '{"ip_address":"203.0.113.0/28"}]'
    ),
    "abuse.ch JSON by number": (
        '{"1": [{"ioc_value": "198.51.100.7:443", "ioc_type": "ip:port"}], "2": [{"ioc_value": "203.0.113.0/28"}]}'
    ),
    "a byte-order mark": "\ufeff198.51.100.7\r\n203.0.113.0/28\r\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_what_it_lists(form: str) -> None:
    """A network, an address, and nothing beside them."""
    found = Blocklist(form, 0.5, entries(FORMS[form]))
    assert len(found) == 2
    assert [a in found for a in ("203.0.113.0", "203.0.113.15", "198.51.100.7")] == [True] * 3
    assert [a in found for a in ("203.0.112.255", "203.0.113.16", "198.51.100.8", "2001:db8::1")] == [False] * 4


def test_private_blocks_as_a_whole_speak_against_nobody() -> None:
    """FireHOL's level 1 names what is never routed: no host of a local network is bad for that. Narrower entries count."""
    unrouted = ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
    found = Blocklist("x", 1, [*unrouted, "100.64.0.0/10", "224.0.0.0/3", "fc00::/7", "0.0.0.0/0", "10.1.2.0/24"])
    assert len(found) == 1
    assert "10.1.2.3" in found
    assert not any(a in found for a in ("10.1.3.1", "127.0.0.1", "192.168.1.1", "172.16.0.9", "224.0.0.251", "fd00::1"))


def test_both_families_live_in_one_list() -> None:
    """IPv6 networks are found, and are not mixed up with IPv4 numbers."""
    found = Blocklist("x", 1, ["2001:db8::/32", "0.0.0.1"])
    assert "2001:db8:ffff::1" in found
    assert "::1" not in found
    assert "0.0.0.1" in found


NETWORKS = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(17, 32)).map(lambda pair: ip_network(pair, strict=False)),
    max_size=20,
)


@given(NETWORKS, st.integers(0, 2**32 - 1))
def test_it_finds_what_a_search_finds(networks: list[object], value: int) -> None:
    """For any networks that hosts may be in, overlapping ones too."""
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
