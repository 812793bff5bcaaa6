"""Run a module whose output is a log file: a full disk costs it lines of its log, and does not end it.

`python -m cobalt_tasks.supervisor.service MODULE ARGUMENT…` does what `python -m MODULE ARGUMENT…` does otherwise.
"""

import io
import runpy
import sys
from typing import TYPE_CHECKING

from cobalt_tasks.core.errors import NO_ROOM

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_replaced: list[object] = []
"""The streams that Python opened: with the last reference to one of them, its descriptor would be closed."""


class _LogFile(io.FileIO):
    """A descriptor that drops what there is no room for."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, and return the number of bytes that were written or dropped."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return memoryview(data).nbytes


def drop_what_has_no_room() -> None:
    """Drop what this process prints or logs while the disk is full, instead of failing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        raw = _LogFile(stream.fileno(), "wb", closefd=False)
        text = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True)
        _replaced.extend((stream, getattr(sys, f"__{name}__")))
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def main() -> None:
    """Run the module that is named by the first argument."""
    del sys.argv[0]
    drop_what_has_no_room()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
