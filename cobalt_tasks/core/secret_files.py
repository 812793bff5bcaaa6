"""The passwords of a compose stack: made once, kept as files in a folder, never in an image, a command line or a log.

Run as `python -m cobalt_tasks.core.secret_files FOLDER` by compose's service `init`, before every other service. POSTGRES_PASSWORD
and REDIS_PASSWORD, where they are set, are used as they are; without them a password is made at random and kept.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from cobalt_tasks.core.errors import CobaltError, ConfigurationError

VARIABLES: Final = {
    "postgres": "POSTGRES_PASSWORD",
    "redis": "REDIS_PASSWORD",
    "dashboard": "COBALT_DASHBOARD_PASSWORD",
}
"""The name of each password's file, and the variable that decides it."""

_BYTES: Final = 24
_LONGEST: Final = 1024
_FORBIDDEN: Final = frozenset("\r\n\0")
_READABLE: Final = 0o444
"""Containers run as users with other numbers: who may read is decided by which of them mount the folder."""


def write_all(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Write the files that are missing or no longer right, and return which passwords were made at random.

    Any number of processes may do this at once: the first random password wins.

    Args:
        folder: where the files are, made if it is missing.
        environ: the environment that may hold passwords.

    Raises:
        ConfigurationError: a given password cannot be used; the message names its variable only.
        CobaltError: the folder cannot be written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = [
            name for name, variable in VARIABLES.items() if _password(folder / name, environ.get(variable), variable)
        ]
        _replace(folder / "redis.conf", redis_line((folder / "redis").read_text(encoding="utf-8")))
        _replace(folder / "postgres.sql", postgres_line((folder / "postgres").read_text(encoding="utf-8")))
    except OSError as error:
        raise CobaltError(f"the passwords in {folder} cannot be written: {error.strerror}") from None
    return made


def redis_line(password: str) -> str:
    """Return the line of a Redis configuration that asks for a password."""
    escaped = password.replace("\\", "\\\\").replace('"', '\\"')
    return f'requirepass "{escaped}"\n'


def postgres_line(password: str) -> str:
    """Return the SQL, on one line, that sets the password of the role cobalt."""
    escaped = password.replace("'", "''")
    return f"ALTER ROLE cobalt PASSWORD '{escaped}';\n"


def _password(file: Path, given: str | None, variable: str) -> bool:
    """Keep a password in its file; return whether it was made at random just now."""
    if given:
        if len(given) > _LONGEST or not _FORBIDDEN.isdisjoint(given) or not _is_text(given):
            raise ConfigurationError(f"{variable}: use at most {_LONGEST} characters of UTF-8, without line breaks")
        _replace(file, given)
        return False
    if file.exists():
        return False
    written = _temporary(file, secrets.token_urlsafe(_BYTES))
    try:
        # Unlike a rename, this fails when another process was first.
        os.link(written, file)
    except FileExistsError:
        return False
    finally:
        written.unlink()
    return True


def _is_text(given: str) -> bool:
    """Return whether a variable held valid UTF-8: other bytes arrive as lone surrogates."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _replace(file: Path, text: str) -> None:
    """Write a file at once, or leave it alone if it holds this text already."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        _temporary(file, text).rename(file)


def _temporary(file: Path, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    path = Path(name)
    path.chmod(_READABLE)
    return path


def main(folder: Path, environ: Mapping[str, str]) -> int:
    """Write the files, print one line for each and how to see the page's password; return the exit code.

    folder: where they are written; environ: variables that replace a random value.
    """
    try:
        made = write_all(folder, environ)
    except CobaltError as error:
        click.echo(f"cobalt: {error}", err=True)
        return error.exit_code
    for name in made:
        click.echo(f"made a random password for {name}")
    click.echo("the page and Flower ask for a name and a password; show the password with")
    click.echo(f"  docker compose exec dashboard cat {folder}/dashboard")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), os.environ))  # noqa: TID251  # the stack's variables, which settings.py does not know
