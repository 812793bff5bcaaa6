"""Serve the lab until SIGTERM or Ctrl-C.

Prints `lab ready` once everything answers; with `--free-ports` also, as one line of JSON, where everything is.
"""

import argparse
import asyncio
import signal
import sys

import msgspec

from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.lab.server import Lab


async def _serve(*, ephemeral: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Lab(settings.load().home / "demo", ephemeral=ephemeral) as lab:
        sys.stdout.write("lab ready\n")
        if ephemeral:
            sys.stdout.write(msgspec.json.encode(lab.endpoints).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cobalt_tasks.lab", description=__doc__)
    parser.add_argument("--free-ports", action="store_true", help="take free ports instead of the table's")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(ephemeral=arguments.free_ports))
    except CobaltError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
