"""Who outside is asked about hosts, and how that is stopped."""

import re

import pytest
from click.testing import CliRunner

from cobalt_tasks import lab
from cobalt_tasks.cli import cobalt
from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.records import Observation
from cobalt_tasks.geolocation import privacy
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.supervisor import demo

KEYS = {"IPINFO_TOKEN": "s3cret", "IPGEOLOCATION_API_KEY": "s3cret"}
OFFLINE = {"COBALT_OFFLINE": "true", **KEYS}


def test_offline_there_is_no_provider() -> None:
    """Whatever keys and orders are set: only the databases of this machine answer."""
    assert settings.load(KEYS).online_providers == ("ip-api", "ipinfo", "ipgeolocation")
    loaded = settings.load({**OFFLINE, "COBALT_GEO_PROVIDERS": "ip-api,mmdb,ipinfo"})
    assert loaded.usable_providers == ("mmdb",)
    assert loaded.online_providers == ()
    assert Geolocator(loaded).providers == []


@pytest.mark.parametrize(("resolvers", "expected"), [({}, False), ({"COBALT_RESOLVERS": "127.0.0.1"}, True)])
def test_offline_names_are_looked_up_only_where_a_resolver_is_named(resolvers: dict[str, str], expected: bool) -> None:
    """No job is made that could only be refused."""
    batch = Batch(1, 1000.0)
    batch.observe(Observation(src_ip="10.0.0.1", dst_ip="8.8.8.8", dst_port=443))
    made = Planner(settings.load(OFFLINE | resolvers)).plan(batch).jobs
    assert any(job.kind == "domain" for job in made) is expected


def test_offline_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cobalt geodb update` says so, with exit code 2; files of one's own may still be installed."""
    monkeypatch.setenv("COBALT_OFFLINE", "1")
    found = CliRunner().invoke(cobalt, ["geodb", "update"]).exception
    assert isinstance(found, ConfigurationError)
    assert "COBALT_OFFLINE" in str(found)


def test_offline_the_demo_asks_its_own_resolver_only() -> None:
    """The system's stand behind the lab's otherwise."""
    assert demo.settings_for_lab(settings.load(OFFLINE)).resolvers == lab.resolvers()[:1]


def test_who_is_asked_is_put_into_words() -> None:
    """Which provider, and that ip-api can be read on the way; never a key."""
    where, names = privacy.in_words(settings.load(KEYS))
    assert "ip-api (plain HTTP: addresses can be read on the way), ipinfo (encrypted)" in where
    assert "this system" in names
    assert "s3cret" not in where
    where, names = privacy.in_words(settings.load(OFFLINE))
    assert where == "where hosts are: no online provider, COBALT_OFFLINE is set"
    assert "COBALT_RESOLVERS is not" in names


def test_excluded_resolvers_are_named() -> None:
    """`up` and `doctor` print which servers are asked and which are not. Break: `excluded_resolvers` in privacy.py."""
    found = settings.load({"COBALT_RESOLVERS": "192.0.2.1,[2001:db8::1]:5353", "COBALT_EXCLUDE": "192.0.2.0/24"})
    (_, names) = privacy.in_words(found)
    assert names.startswith("names of hosts: DNS servers [2001:db8::1]:5353; not 192.0.2.1: in COBALT_EXCLUDE; ")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"COBALT_RESOLVERS": "192.0.2.1,192.0.2.2:54"}, "COBALT_RESOLVERS: all its servers lie in COBALT_EXCLUDE"),
        ({"COBALT_RESOLVERS": "64:ff9b::c000:201"}, "COBALT_RESOLVERS: all its servers lie in COBALT_EXCLUDE"),
        ({"COBALT_IPAPI_URL": "http://192.0.2.9:80/x"}, "COBALT_IPAPI_URL: 192.0.2.9 lies in COBALT_EXCLUDE"),
        ({"COBALT_IPAPI_URL": "http://[::ffff:192.0.2.9]/"}, "COBALT_IPAPI_URL: 192.0.2.9 lies in COBALT_EXCLUDE"),
        ({"COBALT_IPINFO_URL": "https://192.0.2.9", "IPINFO_TOKEN": "x"}, "COBALT_IPINFO_URL: 192.0.2.9 lies in"),
    ],
)
def test_what_the_exclusions_forbid_is_an_error(changes: dict[str, str], complaint: str) -> None:
    """At the start, in one line, instead of a service that is silently never asked. Break: settings.load."""
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        settings.load({"COBALT_EXCLUDE": "192.0.2.0/24", **changes})


@pytest.mark.parametrize(
    "changes",
    [{}, {"COBALT_GEO_PROVIDERS": "mmdb", "IPINFO_TOKEN": "x"}, {"COBALT_OFFLINE": "true", "IPINFO_TOKEN": "x"}],
)
def test_a_provider_that_is_not_used_may_be_excluded(changes: dict[str, str]) -> None:
    """No key, not among the providers, offline: nothing is asked there."""
    settings.load({"COBALT_EXCLUDE": "192.0.2.0/24", "COBALT_IPINFO_URL": "https://192.0.2.9", **changes})
