"""The command `cobalt`: one file per command group, each imported only when it is called."""

import importlib
import sys
from typing import Any

import click

from cobalt_tasks.core import private_files
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.core.text import printable

COMMANDS = {
    "up": "up:up",
    "ingest": "ingest:ingest",
    "capture": "capture:capture",
    "sources": "sources:sources",
    "rejects": "rejects:rejects",
    "jobs": "jobs:jobs",
    "status": "status:status",
    "hosts": "hosts:hosts",
    "search": "search:search",
    "networks": "networks:networks",
    "forget": "forget:forget",
    "changes": "changes:changes",
    "diff": "diff:diff",
    "accept": "accept:accept",
    "notes": "notes:notes",
    "certificates": "certificates:certificates",
    "alerts": "alerts:alerts",
    "export": "export:export",
    "geolocate": "geolocate:geolocate",
    "geodb": "geodb:geodb",
    "fingerprints": "fingerprints:fingerprints",
    "score": "score:score",
    "db": "db:db",
    "dashboard": "dashboard:dashboard",
    "doctor": "doctor:doctor",
    "chaos": "chaos:chaos",
}
"""Command name → module and attribute below this package."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so that a small command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`; None if it has no such name. `ctx` is Click's."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cobalt-tasks", prog_name="cobalt")
def cobalt() -> None:
    """Turn the lines of capture tools and scanners into answers.

    \b
    Example:
      cobalt up --demo
      cobalt ingest masscan scan.json
      cobalt status
    """  # noqa: D301  # Click's mark for "do not wrap"


def main(arguments: list[str] | None = None) -> None:
    """Run a command; one clear line and an exit code for what goes wrong."""
    private_files.set_mask()
    try:
        result: Any = cobalt.main(arguments, prog_name="cobalt", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CobaltError as error:
        # A message may hold the name of a file, or words of a server.
        click.echo(f"cobalt: {printable(str(error).encode('utf-8', 'surrogateescape'))}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has ended, as `head` does: printing on would fail again.
        sys.stderr.close()
        sys.exit(0)
