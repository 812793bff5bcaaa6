"""The environment, read in one place."""

from pathlib import Path

import pytest

from cobalt_tasks import settings
from cobalt_tasks.errors import ConfigurationError


def test_the_defaults_need_nothing() -> None:
    """An empty environment gives a laptop: SQLite and a Redis socket in the state folder."""
    loaded = settings.load({})
    assert loaded.home == Path.home() / ".cobalt"
    assert loaded.database_url == f"sqlite:///{loaded.home / 'cobalt.db'}"
    assert loaded.broker_url == f"redis+socket://{loaded.home / 'redis.sock'}"
    assert loaded.broker_is_named is False


def test_every_value_has_its_type() -> None:
    """Lists are split, numbers and switches converted, blanks ignored."""
    loaded = settings.load(
        {
            "COBALT_HOME": "/var/lib/cobalt",
            "COBALT_SCOPE": " 192.0.2.0/24, 2001:db8::/32 ,",
            "COBALT_REFRESH_ACTIVE": "true",
            "COBALT_PROBE_TIMEOUT": "2.5",
            "COBALT_EXCLUDE": " ",
            "CELERY_BROKER_URL": "redis://other/0",
        },
    )
    assert loaded.scope == ("192.0.2.0/24", "2001:db8::/32")
    assert loaded.exclude == ()
    assert (loaded.refresh_active, loaded.probe_timeout) == (True, 2.5)
    assert (loaded.broker_url, loaded.broker_is_named) == ("redis://other/0", True)
    assert settings.load({"COBALT_BROKER_URL": "redis://a", "CELERY_BROKER_URL": "redis://b"}).broker_url == "redis://a"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("COBALT_PROBE_TIMEOUT", "soon"), ("COBALT_REFRESH_ACTIVE", "perhaps"), ("COBALT_GEO_PROVIDERS", "mmdb,nobody")],
)
def test_a_value_that_cannot_be_used_names_its_variable(variable: str, value: str) -> None:
    """One clear line with the name the user wrote, and exit code 2."""
    with pytest.raises(ConfigurationError, match=variable) as caught:
        settings.load({variable: value})
    assert caught.value.exit_code == 2


def test_a_provider_without_its_key_is_not_asked() -> None:
    """The order is the user's; what needs a key and has none is left out."""
    assert settings.load({}).usable_providers == ("mmdb", "ip-api")
    chosen = {"COBALT_GEO_PROVIDERS": "ipinfo,mmdb,ipgeolocation", "IPINFO_TOKEN": "t"}
    assert settings.load(chosen).usable_providers == ("ipinfo", "mmdb")


def test_a_secret_is_not_repeated() -> None:
    """A complaint never quotes a token."""
    with pytest.raises(ConfigurationError) as caught:
        settings.load({"IPINFO_TOKEN": "s3cret", "COBALT_PROBE_TIMEOUT": "soon"})
    assert "s3cret" not in str(caught.value)
