"""The registry is the only list of protocols, and what is in it is sound."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from cobalt_tasks.protocols import Fingerprint, Protocol, registry
from cobalt_tasks.protocols.base import Target

NO_PROTOCOLS = {"__init__", "base", "fingerprint", "identify", "registry", "secure"}
inventory = Protocol(name="inventory", recognise=lambda _: Fingerprint("inventory"), ports=(1979,))


def test_every_file_has_one_entry() -> None:
    """A file of the folder with a PROTOCOL is in the table, once."""
    folder = Path(registry.__file__).parent
    holding = {each.stem for each in folder.glob("*.py") if "\nPROTOCOL = " in each.read_text()}
    assert holding == set(registry._MODULES)
    assert len(registry._MODULES) == len(holding)


def test_what_is_declared_is_sound() -> None:
    """Ports are ports, each once; client-first protocols have words; words are bytes."""
    for each in registry.PROTOCOLS:
        for ports in (each.ports, each.tls_ports, each.udp_ports):
            assert all(0 < port < 65536 for port in ports), each.name
            assert len(set(ports)) == len(ports), each.name
        assert each.words or each.likelihood is None, each.name
        assert each.udp_words or each.udp_likelihood is None, each.name
        for words in (each.words, each.udp_words):
            assert words is None or isinstance(words(Target("192.0.2.1", 1)), bytes)
        assert each.recognise(b"") is None, each.name


def test_no_word_amplifies() -> None:
    """A datagram is small, so that we burden no network; QUIC alone has to be as long as any answer to it (RFC 9000 14.1)."""
    sizes = {each.name: len(each.udp_words(Target("192.0.2.1", 1))) for each in registry.PROTOCOLS if each.udp_words}
    assert sizes.pop("quic") == 1200
    assert max(sizes.values()) <= 512


def test_only_its_own_words_on_an_exclusive_port() -> None:
    """A controller's port is sent its protocol's question alone, and that only where the user allows it."""
    assert registry.words_at(502) == []
    assert [each.name for each in registry.words_at(502, industrial=True)] == ["modbus"]
    for each in registry.PROTOCOLS:
        if each.industrial:
            assert each.exclusive, each.name
            assert not any(registry.words_at(port) for port in each.ports), each.name
            assert not any(registry.udp_words_at(port) for port in each.udp_ports), each.name


def test_a_third_party_adds_a_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group is a protocol like ours."""
    points = EntryPoints([EntryPoint("inventory", f"{__name__}:inventory", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    assert registry._load()[-1] is inventory


@pytest.mark.parametrize(("value", "error"), [("NO_PROTOCOLS", TypeError), ("registry.BY_NAME", TypeError)])
def test_what_is_no_protocol_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, error: type[Exception]) -> None:
    """An entry point that is something else fails at import, and says which."""
    points = EntryPoints([EntryPoint("wrong", f"{__name__}:{value}", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    with pytest.raises(error, match=r"cobalt\.protocols"):
        registry._load()


def test_names_of_scanners() -> None:
    """What scanners call a service leads to its protocol and its port."""
    assert registry.our_name("ssl/http") == "https"
    assert registry.our_name("ms-wbt-server") == "rdp"
    assert registry.our_name("minecraft-pe") == "minecraft-pe"
    assert (registry.default_port("imaps"), registry.default_port("pop"), registry.default_port("nothing")) == (
        993,
        110,
        None,
    )


def test_the_page_of_protocols_is_up_to_date() -> None:
    """docs/protocols.md is what `make protocols-table` writes."""
    command = [sys.executable, "tools/protocols_table.py", "--check"]
    ran = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"run make protocols-table\n{ran.stderr}"


@pytest.mark.parametrize("name", ["qemu-monitor", "dap", "zmtp", "twemproxy"])
def test_what_greets_on_no_port_of_its_own_keeps_no_port_waiting(name: str) -> None:
    """Such servers are recognised by their greeting on any port; on a port of theirs, others would be listened to for longer."""
    protocol = registry.BY_NAME[name]
    assert protocol.greets
    assert protocol.ports == ()
