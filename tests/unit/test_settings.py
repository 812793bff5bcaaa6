"""The environment, read in one place."""

import traceback
from pathlib import Path

import pytest
import redis
from kombu import Connection
from sqlalchemy import make_url

from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import ConfigurationError


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


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_a_scope_that_is_set_and_empty_is_refused(text: str) -> None:
    """Read as "no scope" it would probe what it was to forbid. Other lists may be blank, but not a mere comma."""
    with pytest.raises(ConfigurationError, match="COBALT_SCOPE"):
        settings.load({"COBALT_SCOPE": text})
    if "," in text:
        with pytest.raises(ConfigurationError, match="COBALT_EXCLUDE"):
            settings.load({"COBALT_EXCLUDE": text})


def test_compose_hands_a_scope_on_only_where_one_is_set() -> None:
    """`${COBALT_SCOPE:-}` would hand an empty one to every container that has none."""
    compose = Path(__file__).parents[2] / "docker-compose.yml"
    lines = [line.strip() for line in compose.read_text().splitlines()]
    assert "COBALT_SCOPE:" in lines
    assert not [line for line in lines if line.startswith("COBALT_SCOPE: ")]


def test_a_bad_scope_is_refused_wherever_settings_are_read() -> None:
    """Not only where the first job is done."""
    for variable in ("COBALT_SCOPE", "COBALT_EXCLUDE"):
        with pytest.raises(ConfigurationError, match=f"{variable}: 'own'"):
            settings.load({variable: "own"})


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


ODD = "p/w#d?@:%2F%zz &;="
"""Every character that has a meaning in URLs."""


@pytest.mark.parametrize("in_file", [False, True])
def test_a_password_beside_its_url_may_hold_any_character(tmp_path: Path, in_file: bool) -> None:
    """What the drivers read out of the completed URLs is the password as it was written."""
    file = tmp_path / "password"
    file.write_text(ODD + "\n")
    end, value = ("_FILE", str(file)) if in_file else ("", ODD)
    loaded = settings.load(
        {
            "COBALT_DATABASE_URL": "postgresql://cobalt@postgres/cobalt",
            f"COBALT_DATABASE_PASSWORD{end}": value,
            "COBALT_BROKER_URL": "redis://redis:6379/0",
            f"COBALT_BROKER_PASSWORD{end}": value,
        },
    )
    database = make_url(loaded.database_url)
    assert (database.username, database.password, database.host) == ("cobalt", ODD, "postgres")
    client = redis.Redis.from_url(loaded.broker_url).connection_pool.connection_kwargs
    assert (client["password"], client["host"], client["port"], client["db"]) == (ODD, "redis", 6379, 0)
    with Connection(loaded.broker_url) as celery:
        assert (celery.password, celery.hostname) == (ODD, "redis")


@pytest.mark.parametrize(
    ("url", "completed"),
    [
        ("redis://user@redis", "redis://user:a%40b@redis"),
        ("redis://:own@redis", "redis://:own@redis"),
        ("redis+socket:///run/redis.sock", "redis+socket://:a%40b@/run/redis.sock"),
        ("sentinel://one:26379/0;sentinel://two:26379", "sentinel://:a%40b@one:26379/0;sentinel://two:26379"),
        ("", None),
    ],
)
def test_a_password_goes_where_the_broker_url_has_none(url: str, completed: str | None) -> None:
    """A URL's own password wins; the Redis that `cobalt up` starts has no password."""
    loaded = settings.load({"COBALT_BROKER_URL": url, "COBALT_BROKER_PASSWORD": "a@b", "COBALT_DATABASE_PASSWORD": "c"})
    assert loaded.broker_url == (completed or f"redis+socket://{loaded.redis_socket}")
    assert loaded.broker_is_named is bool(url)
    assert loaded.database_url == f"sqlite:///{loaded.home / 'cobalt.db'}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://cobalt:SECRET@host:SECRET/cobalt",
        "postgresql://cobalt:SECRET/x@host/cobalt",
        "postgresql://cobalt:SECRET#x@host/cobalt",
        "postgresql://cobalt:1/SECRET@host/cobalt",
        "postgresql://cobalt:x@SECRET@host/cobalt",
        "postgresql://cobalt:SECRET@[host/cobalt",
        "mysql://cobalt:SECRET@host/cobalt",
        "cobalt:SECRET@host",
        "SECRET",
    ],
)
def test_a_bad_url_never_shows_its_password(url: str) -> None:
    """The message names the variable; neither it nor the traceback of its causes holds any part of the URL."""
    broker = url.replace("postgresql:", "redis:", 1)
    for variable, value in [("COBALT_DATABASE_URL", url), ("COBALT_BROKER_URL", broker), ("CELERY_BROKER_URL", broker)]:
        with pytest.raises(ConfigurationError, match=variable) as caught:
            settings.load({variable: value})
        assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:SECRET@host/SECRET",
        "redis://:SECRET@host/0/1",
        "redis://:SECRET@host/-1",
        "redis://host/0?password=SECRET",
        "redis://host/0?socket_timeout=1",
        "rediss://:SECRET@host/0?ssl_cert_reqs=SECRET",
        "rediss://:SECRET@host/0?ssl_ca_cert=SECRET",
        "rediss://:SECRET@host/0?SECRET",
        "redis+socket://SECRET",
        "redis+socket://run/SECRET.sock",
        "redis+socket:///run/SECRET.sock?virtual_host=1",
        "sentinel://host:26379/SECRET",
        "sentinel://host:26379;sentinel://host:26379?db=SECRET",
    ],
)
def test_a_broker_url_that_celery_cannot_use_is_refused(url: str) -> None:
    """By settings, so that no command and no worker fails on it later, with a traceback. Break: _check_broker."""
    for variable in ("COBALT_BROKER_URL", "CELERY_BROKER_URL"):
        with pytest.raises(ConfigurationError, match=rf"^{variable}: ") as caught:
            settings.load({variable: url})
        assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_broker_url_with_options_of_tls_is_used() -> None:
    """By redis-py and by Celery alike."""
    options = "ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false"
    loaded = settings.load({"COBALT_BROKER_URL": f"rediss://:a@host:1/2?{options}"})
    client = redis.Redis.from_url(loaded.broker_url).connection_pool.connection_kwargs
    assert (client["ssl_ca_certs"], client["db"]) == ("/etc/ca.pem", 2)
    with Connection(loaded.broker_url) as celery:
        assert celery.ssl["ssl_ca_certs"] == "/etc/ca.pem"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://relative.db"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    """Each process would have its own, and lose it. Break: the look at the path in database_url."""
    with pytest.raises(ConfigurationError, match=r"^COBALT_DATABASE_URL: "):
        settings.load({"COBALT_DATABASE_URL": url})


def test_a_password_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Missing, empty or binary: the variable and the file, never what is in it."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"SECRET\xff\xfe")
    for name, what in [("missing", "No such file"), ("empty", "is empty"), ("binary", "not text")]:
        environ = {"COBALT_BROKER_URL": "redis://redis", "COBALT_BROKER_PASSWORD_FILE": str(tmp_path / name)}
        with pytest.raises(ConfigurationError, match=f"COBALT_BROKER_PASSWORD_FILE.*{what}") as caught:
            settings.load(environ)
        assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_child_gets_complete_urls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password is inserted once: a child of a process without a named Redis must not log in to the program's own."""
    monkeypatch.setenv("COBALT_HOME", str(tmp_path))
    monkeypatch.setenv("COBALT_BROKER_PASSWORD", "secret")
    monkeypatch.setenv("COBALT_DATABASE_URL", "postgresql://cobalt@host/cobalt")
    monkeypatch.setenv("COBALT_DATABASE_PASSWORD", "a/b")
    mine = settings.load()
    child = settings.load(settings.environment(mine))
    assert (child.broker_url, child.database_url) == (mine.broker_url, "postgresql://cobalt:a%2Fb@host/cobalt")


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("COBALT_RESOLVERS", "dns.example", "ADDRESS"),
        ("COBALT_RESOLVERS", "192.0.2.1:99999", "ADDRESS"),
        ("COBALT_RESOLVERS", "192.0.2.1," + "9" * 5000, "ADDRESS"),
        ("COBALT_RESOLVERS", "192.0.2.1:" + "9" * 5000, "ADDRESS"),
        ("COBALT_IPAPI_URL", "ip-api.com", "http://HOST"),
        ("COBALT_IPINFO_URL", "ftp://ipinfo.io", "http://HOST"),
        ("COBALT_IPINFO_URL", "https://ipinfo.io/\x01", "http://HOST"),
        ("COBALT_IPGEOLOCATION_URL", "https://[half", "http://HOST"),
        ("COBALT_PROBE_TIMEOUT", "-1", "above 0"),
        ("COBALT_PROBE_TIMEOUT", "nan", "above 0"),
        ("COBALT_PROBE_TIMEOUT", "inf", "too large"),
        ("COBALT_PROBE_TIMEOUT", "1e9", "too large"),
        ("COBALT_HISTORY_DAYS", "0", "above 0"),
        ("COBALT_HISTORY_DAYS", "nan", "above 0"),
        ("COBALT_HISTORY_DAYS", "a month", "no number"),
        ("COBALT_OFFLINE", "perhaps", "true or false"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_every_command(variable: str, value: str, what: str) -> None:
    """Not by the worker alone, which would end each time it is started; the message says what to write."""
    with pytest.raises(ConfigurationError, match=f"^{variable}: .*{what}"):
        settings.load({variable: value})
