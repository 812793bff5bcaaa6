"""A screen that is drawn again and again until q or Ctrl-C; a pipe gets one text after the other."""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.views.tables import Output

__all__ = ["Output", "show"]

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
"""The terminal's other screen, without a cursor."""

_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"
_QUIT: Final = b"qQ\x03\x04"

Draw = Callable[[Output], None]


def show(draw: Draw, seconds: float, *, is_plain: bool = False) -> None:
    """Draw until the user quits. What is wrong for a while, such as a database that is away, is shown and tried again.

    Args:
        draw: prints what is to be seen now.
        seconds: between two drawings, above 0.
        is_plain: print one after the other on a terminal too, with nothing between: lines for programs.

    """
    try:
        if is_plain or not sys.stdout.isatty():
            _repeat(draw, seconds, "" if is_plain else "\n")
        else:
            with _screen() as keys:
                while not _pause(keys, _drawn(draw), seconds):
                    pass
    except KeyboardInterrupt:
        return


def _repeat(draw: Draw, seconds: float, end: str) -> None:
    """Draw one text after the other, `seconds` apart; `end`: what stands behind each."""
    while True:
        output = Output()
        try:
            draw(output)
        except CobaltError as error:
            output.note(error)
        sys.stdout.write(end)
        sys.stdout.flush()
        time.sleep(seconds)


def _drawn(draw: Draw) -> tuple[int, int]:
    """Draw once on the whole screen; return its size."""
    size = shutil.get_terminal_size()
    output, text = Output.held(size.columns, size.lines)
    try:
        draw(output)
    except CobaltError as error:
        output.words(str(error), "bold red")
    # Never into the last column of the last line: some terminals scroll then.
    lines = text.getvalue().splitlines()[: size.lines - 1]
    body = "".join(f"{line}{_REST_OF_LINE}\r\n" for line in lines)
    sys.stdout.write(f"{_HOME}{body}{_REST_OF_SCREEN}")
    sys.stdout.flush()
    return size.columns, size.lines


def _pause(keys: int | None, size: tuple[int, int], seconds: float) -> bool:
    """Wait for a key, another size of the terminal, or the next drawing; return whether the user quits.

    keys: where keys are read, None if there is no keyboard; size: the size that was drawn; seconds: how long.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if keys is None:
            time.sleep(min(left, 0.25))
        elif select.select([keys], [], [], min(left, 0.25))[0]:
            key = os.read(keys, 64)
            if not key or set(key) & set(_QUIT):
                return True
        if tuple(shutil.get_terminal_size()) != size:
            return False
    return False


@contextmanager
def _screen() -> Iterator[int | None]:
    """Use the whole terminal, and restore it however the block ends; yield where keys are read."""
    keys, before = _keyboard()
    handlers = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        sys.stdout.write(_ENTER)
        sys.stdout.flush()
        yield keys
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if keys is not None:
            import termios  # noqa: PLC0415  # no such thing where there is no keyboard

            termios.tcsetattr(keys, termios.TCSADRAIN, before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _end(number: int, _frame: object) -> None:
    """End as after Ctrl-C, so that the terminal is restored."""
    sys.exit(128 + number)


def _keyboard() -> tuple[int | None, list[Any]]:
    """Read keys one by one, unseen; return where they are read, and how the terminal was before."""
    if not sys.stdin.isatty():
        return None, []
    import termios  # noqa: PLC0415  # only with a keyboard
    import tty  # noqa: PLC0415

    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    return keys, before
