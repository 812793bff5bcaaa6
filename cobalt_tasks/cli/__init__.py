"""The command `cobalt`: one file per command group, each imported only when it is called."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from cobalt_tasks.cli._group import Group, prepared
from cobalt_tasks.core import machine, private_files
from cobalt_tasks.core.errors import NO_ROOM, CobaltError
from cobalt_tasks.core.text import printable

COMMANDS = {
    "up": "up:up",
    "ingest": "ingest:ingest",
    "capture": "capture:capture",
    "sources": "sources:sources",
    "rejects": "rejects:rejects",
    "jobs": "jobs:jobs",
    "status": "status:status",
    "top": "top:top",
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
    "report": "report:report",
    "geolocate": "geolocate:geolocate",
    "geodb": "geodb:geodb",
    "fingerprints": "fingerprints:fingerprints",
    "score": "score:score",
    "db": "db:db",
    "dashboard": "dashboard:dashboard",
    "doctor": "doctor:doctor",
    "completion": "completion:completion",
    "chaos": "chaos:chaos",
}
"""Command name → module and attribute below this package."""


_PIPE_EXIT = 141
"""128 + SIGPIPE: how a program ends whose reader has gone."""


class LazyGroup(Group):
    """A group whose commands are imported when they are asked for, so that a small command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`; None if it has no such name. `ctx` is Click's."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        return prepared(getattr(importlib.import_module(f"{__name__}.{module}"), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what Click does; the error about an unknown name has the nearest ones.

        ctx: Click's; args: the words of the command line.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; `ctx` is Click's context."""
        try:
            result = super().invoke(ctx)
            # What is buffered may meet a reader that has gone, too.
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of our output has ended, as `head` does.
            _drop_output()
            raise click.exceptions.Exit(_PIPE_EXIT) from None
        return result


def _drop_output() -> None:
    from cobalt_tasks.cli._output import drop  # only when it is needed

    drop()


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
    machine.collect_less_garbage()
    private_files.set_mask()
    _open_what_is_closed()
    try:
        result: Any = cobalt.main(arguments, prog_name="cobalt", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CobaltError as error:
        _print_error(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _drop_output()
        _print_error(f"{error.filename or 'output'} cannot be written: {error.strerror}")
        sys.exit(1)


def _open_what_is_closed() -> None:
    """Open standard streams that were closed (`>&-`) on no file: Python has none then, and another file would get their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  # until the program ends
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def _print_error(text: str) -> None:
    # A message may hold the name of a file, or words of a server.
    click.echo(f"cobalt: {printable(text.encode('utf-8', 'surrogateescape'))}", err=True)
