"""The registry of providers: one entry declares everything, also in another package."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cobalt_tasks.core import plugins, providers, settings
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.geolocation.geolocator import Geolocator

PLUGIN = """
from cobalt_tasks.core.providers import Limit, ProviderEntry
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.geolocation.location import location_of
from cobalt_tasks.geolocation.providers.base import Answer


class Example:
    def __init__(self, settings, scope):
        self.settings = settings
        self.terms = Terms(provider=PROVIDER.name, batch=PROVIDER.batch, limits=PROVIDER.limits)

    def ask(self, addresses):
        return Answer(locations={each: location_of(country_code="DE") for each in addresses}, negative={})


PROVIDER = ProviderEntry(
    name="exam-ple",
    make=Example,
    url="https://example.org",
    key_variable="EXAMPLE_KEY",
    limits=(Limit(window=60.0, calls=5),),
    batch=10,
)
AS_DEFAULT = ProviderEntry(name="exam-ple", make=Example, url="https://example.org", is_default=True)
TAKEN = ProviderEntry(name="ip-api", make=Example, url="https://example.org")
OTHER = 5
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a provider, installed as far as entry points go; returns the file of its entry points."""
    (tmp_path / "example_geo.py").write_text(PLUGIN)
    information = tmp_path / "example_geo-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: example-geo\nVersion: 1.0\n")
    points = information / "entry_points.txt"
    points.write_text("[cobalt.providers]\nexam-ple = example_geo:PROVIDER\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.load.cache_clear()
    yield points
    plugins.load.cache_clear()


def test_every_provider_is_declared_by_its_own_file() -> None:
    """Name, address and terms of what is made are those of the entry, and defaults follow from the entries."""
    for name, entry in providers.built_in().items():
        assert entry.name == name
        if entry.make:
            made = entry.make(providers.ProviderSettings(name=name, url=entry.url, key="key"), Scope())
            assert (made.terms.provider, made.terms.batch, made.terms.limits) == (name, entry.batch, entry.limits)
    assert settings.load({}).geo_providers == providers.default_names()


def test_a_plug_in_is_off_until_it_is_named_and_has_its_key(installed: Path) -> None:
    """Its settings follow from its entry; it is asked in the order of COBALT_GEO_PROVIDERS."""
    own = {"EXAMPLE_KEY": "k", "COBALT_EXAMPLE_URL": "http://127.0.0.1:9/x"}
    assert "exam-ple" not in settings.load(own).usable_providers
    named = {"COBALT_GEO_PROVIDERS": "exam-ple,mmdb"}
    assert settings.load(named).usable_providers == ("mmdb",)
    loaded = settings.load({**own, **named})
    assert loaded.usable_providers == ("exam-ple", "mmdb")
    (made,) = Geolocator(loaded).providers
    assert made.settings == providers.ProviderSettings(name="exam-ple", url="http://127.0.0.1:9/x", key="k")  # type: ignore[attr-defined]
    assert made.ask(["11.0.0.1"]).locations["11.0.0.1"].country_code == "DE"


def test_a_bad_url_of_a_plug_in_names_its_variable(installed: Path) -> None:
    """Its base URL is checked, and bound by exclusions, as any other."""
    named = {"COBALT_GEO_PROVIDERS": "exam-ple", "EXAMPLE_KEY": "k"}
    with pytest.raises(ConfigurationError, match=r"^COBALT_EXAMPLE_URL: use http"):
        settings.load({**named, "COBALT_EXAMPLE_URL": "ftp://example.org"})
    with pytest.raises(ConfigurationError, match=r"^COBALT_EXAMPLE_URL: 192\.0\.2\.1 lies in"):
        settings.load({**named, "COBALT_EXAMPLE_URL": "http://192.0.2.1", "COBALT_EXCLUDE": "192.0.2.0/24"})


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ("exam-ple = example_geo:AS_DEFAULT", "must not be on by default"),
        ("other = example_geo:PROVIDER", "no other provider's"),
        ("ip-api = example_geo:TAKEN", "no other provider's"),
        ("exam-ple = example_geo:OTHER", "is no ProviderEntry"),
        ("exam-ple = example_geo:MISSING", "cannot be imported"),
        ("exam-ple = no_such_module:PROVIDER", "cannot be imported"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_refused_in_one_line(installed: Path, points: str, what: str) -> None:
    """Where it is named: the message has the plug-in and the reason. Cobalt's own providers go on without it."""
    installed.write_text(f"[cobalt.providers]\n{points}\n")
    with pytest.raises(ConfigurationError, match=f"^COBALT_GEO_PROVIDERS: .*{what}") as caught:
        settings.load({"COBALT_GEO_PROVIDERS": "exam-ple"})
    assert "\n" not in str(caught.value)
    assert settings.load({}).usable_providers == ("mmdb", "ip-api")
