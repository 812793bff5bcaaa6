"""The rules."""

from pathlib import Path

import pytest

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.threat.findings import Finding, Handshake, Port
from cobalt_tasks.threat.rules import Contact, Known, Rules, Talker, load, score

NOW = 1_800_000_000.0
DAY = 86400.0
PUBLIC = "9.9.9.9"


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """The rules of the package."""
    return load(tmp_path)


def port(number: int, **known: object) -> Port:
    """Return a port seen just now."""
    return Port(protocol="tcp", port=number, **{"service": None, "first_seen": NOW, "last_seen": NOW, **known})  # type: ignore[arg-type]


def found(findings: list[Finding]) -> dict[str, float]:
    """Return points by rule and subject."""
    return {f"{each.rule} {each.subject}".strip(): each.points for each in findings}


def test_the_seeds_rules_add_up_and_the_country_test_fires(rules: Rules) -> None:
    """A risky port is 0.3, an unknown country 0.2, together 0.5."""
    known = Known(address=PUBLIC, looked_up_at=NOW)
    contact = Contact(address=PUBLIC, protocol="tcp", port=22, observed_at=NOW)
    results = [*rules.of_host(known, NOW), *rules.of_contact(contact)]
    assert found(results) == {"unknown_country": 0.2, "risky_port to tcp/22": 0.3}
    assert score(results) == 0.5


@pytest.mark.parametrize("risky", [22, 23, 139, 445, 3389])
def test_the_seeds_ports_are_risky_and_others_are_not(rules: Rules, risky: int) -> None:
    """Connections to them, and the ports themselves; each rule counts once however many ports there are."""
    assert rules.of_contact(Contact(address=PUBLIC, protocol="tcp", port=risky, observed_at=NOW))
    assert not rules.of_contact(Contact(address=PUBLIC, protocol="tcp", port=443, observed_at=NOW))
    known = Known(address=PUBLIC, ports=[port(risky), port(443), port(22)])
    assert score(rules.of_host(known, NOW)) == 0.3


def test_a_country_is_unknown_only_when_somebody_has_looked(rules: Rules) -> None:
    """Neither a host that still waits for its look-up nor a private one is suspicious for that."""
    assert rules.of_host(Known(address=PUBLIC), NOW) == []
    assert rules.of_host(Known(address="192.168.1.1", looked_up_at=NOW), NOW) == []
    assert rules.of_host(Known(address=PUBLIC, looked_up_at=NOW, country_code="DE"), NOW) == []


def test_certificates_and_cleartext(rules: Rules) -> None:
    """Run out, signed by itself, and a password in the clear are three things; a good certificate is none."""
    ports = [
        port(443, self_signed=True, not_after=NOW - 1),
        port(8443, self_signed=False, not_after=NOW + 30 * DAY),
        port(21, service="ftp"),
    ]
    assert found(rules.of_host(Known(address=PUBLIC, ports=ports), NOW)) == {
        "expired_certificate tcp/443": 0.15,
        "self_signed_certificate tcp/443": 0.1,
        "cleartext_service tcp/21": 0.2,
    }


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"not_after": NOW + 13 * DAY}, {"expiring_certificate tcp/443": 0.05}),
        ({"not_after": NOW + 15 * DAY}, {}),
        ({"key_type": "RSA", "key_size": 1024}, {"weak_key tcp/443": 0.15}),
        ({"key_type": "RSA", "key_size": 2048}, {}),
        ({"key_type": "EC", "key_size": 192}, {"weak_key tcp/443": 0.15}),
        ({"key_type": "EC", "key_size": 256}, {}),
        ({"key_type": "Ed25519", "key_size": 256}, {}),
        ({"key_type": "", "key_size": 0}, {}),
        ({"signature": "sha1"}, {"weak_signature tcp/443": 0.1}),
        ({"signature": "md5"}, {"weak_signature tcp/443": 0.1}),
        ({"signature": "sha256"}, {}),
        ({"signature": "sha1", "self_signed": True}, {"self_signed_certificate tcp/443": 0.1}),
        ({"handshake": Handshake(tls="TLSv1")}, {"old_tls tcp/443": 0.1}),
        ({"handshake": Handshake(tls="TLSv1.3", versions=("TLSv1.3", "TLSv1.1"))}, {"old_tls tcp/443": 0.1}),
        ({"handshake": Handshake(tls="TLSv1.3", versions=("TLSv1.3", "TLSv1.2"))}, {}),
        ({"handshake": Handshake(name="a.example", is_other_name=True)}, {"name_mismatch tcp/443": 0.05}),
    ],
)
def test_weak_certificates_and_old_tls(rules: Rules, known: dict[str, object], expected: dict[str, float]) -> None:
    """Each weakness is a finding of its own, with the port and what is weak; what is good enough is none."""
    seen = port(443, **{"self_signed": False, "not_after": NOW + 90 * DAY, **known})
    results = rules.of_host(Known(address=PUBLIC, ports=[seen]), NOW)
    assert found(results) == expected
    assert all("tcp/443" in each.detail for each in results)


def test_a_new_listener_that_talks(rules: Rules) -> None:
    """New is within a week."""
    assert rules.of_talker(Talker(address=PUBLIC, listens_since=NOW - 86400, observed_at=NOW))
    assert not rules.of_talker(Talker(address=PUBLIC, listens_since=NOW - 8 * 86400, observed_at=NOW))


def test_the_users_own_file_replaces_tables_and_names_lists(tmp_path: Path) -> None:
    """Other tables keep their defaults; points of 0 switch a rule off; every list counts for itself."""
    (tmp_path / "bad.txt").write_text("9.9.9.0/24\n")
    (tmp_path / "worse.netset").write_text("9.9.9.9\n")
    (tmp_path / "threat.toml").write_text(
        '[unknown_country]\npoints = 0\n[country]\npoints = 0.4\ncodes = ["QQ"]\n[network]\npoints=0.1\nnumbers=[64496]\n'
        '[[blocklist]]\nname = "Bad"\nfile = "bad.txt"\npoints = 0.3\n'
        '[[blocklist]]\nname = "Worse"\nfile = "worse.netset"\npoints = 0.6\n'
    )
    rules = load(tmp_path)
    results = rules.of_host(Known(address=PUBLIC, looked_up_at=NOW, country_code="QQ", asn=64496), NOW)
    assert found(results) == {"country QQ": 0.4, "network AS64496": 0.1, "blocklist Bad": 0.3, "blocklist Worse": 0.6}
    assert {each.source for each in results} == {"location", "Bad", "Worse"}
    assert score(results) == 1.0
    assert rules.of_host(Known(address=PUBLIC, looked_up_at=NOW), NOW)[0].rule == "blocklist"
    assert rules.of_contact(Contact(address=PUBLIC, protocol="tcp", port=22, observed_at=NOW))


def test_the_version_changes_with_the_rules_and_the_lists(tmp_path: Path) -> None:
    """The same rules have the same version; a rule or a line of a list makes another one."""
    versions = [load(tmp_path).version, load(tmp_path).version]
    (tmp_path / "list").write_text("192.0.2.1\n")
    (tmp_path / "threat.toml").write_text('[[blocklist]]\nname = "x"\nfile = "list"\npoints = 0.5\n')
    versions.append(load(tmp_path).version)
    (tmp_path / "list").write_text("192.0.2.2\n")
    versions.append(load(tmp_path).version)
    assert len(set(versions)) == 3


def test_rules_know_when_their_files_have_changed(tmp_path: Path) -> None:
    """A file that is written, changed or removed, and every list it names; nothing else."""
    rules = load(tmp_path)
    assert rules.are_current()
    own, listed = tmp_path / "threat.toml", tmp_path / "list"
    listed.write_text("203.0.113.1\n")
    assert rules.are_current()
    own.write_text('[[blocklist]]\nname = "x"\nfile = "list"\npoints = 0.5\n')
    assert not rules.are_current()
    rules = load(tmp_path)
    assert rules.are_current()
    listed.write_text("203.0.113.1\n203.0.113.9\n")
    assert not rules.are_current()
    rules = load(tmp_path)
    listed.rename(tmp_path / "elsewhere")
    assert not rules.are_current()
    own.unlink()
    assert load(tmp_path).are_current()


@pytest.mark.parametrize(
    "text",
    [
        "[risky_port]\npoints = nan\nports = [22]",
        "[new_listener_talks]\npoints = 0.1\ndays = nan",
        "[new_listener_talks]\npoints = 0.1\ndays = -1",
        "[risky_port]\npoints = 2\nports = []",
        "[risky_port]\npoints = 0.1",
        "[no_such_rule]\npoints = 0.1",
        "[country]\npoints = 0.1\ncodes = ['Germany']",
        "[[blocklist]]\nname = 'x'\nfile = 'nowhere'\npoints = 0.1",
        "not toml",
    ],
)
def test_rules_that_cannot_be_used_are_refused(tmp_path: Path, text: str) -> None:
    """One line names the file and what is wrong in it."""
    (tmp_path / "threat.toml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path)
    assert "\n" not in str(raised.value)
