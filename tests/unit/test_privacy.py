"""Who outside is asked about hosts, and how that is stopped."""

import pytest
from click.testing import CliRunner

from cobalt_tasks import lab, privacy, settings
from cobalt_tasks.cli import cobalt
from cobalt_tasks.contracts import Observation
from cobalt_tasks.errors import ConfigurationError
from cobalt_tasks.geolocation.chain import Geolocator
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.planning import Planner
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
