"""Printing on a terminal that may be closed meanwhile: work goes on without it."""

import contextlib
import os
import sys
from collections.abc import Iterator

import click

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2


def print_line(text: str, *, is_warning: bool = False) -> None:
    """Print a line on standard error, if it can be printed.

    Args:
        text: the line, without its end.
        is_warning: print it in bold yellow on a terminal.

    """
    with unharmed():
        if is_warning:
            click.secho(text, fg="yellow", bold=True, err=True)
        else:
            click.echo(text, err=True)


@contextlib.contextmanager
def unharmed() -> Iterator[None]:
    """Run a block that prints; if the terminal or the reader has gone, print nothing from now on."""
    try:
        yield
    except (OSError, ValueError):
        # What a stream still buffers goes there too, or the interpreter would fail to flush it at its exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (_STANDARD_OUTPUT, _STANDARD_ERROR):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
