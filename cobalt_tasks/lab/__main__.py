"""Serve the lab until SIGTERM or Ctrl-C. Prints `lab ready` once everything answers."""

import asyncio
import signal
import sys

from cobalt_tasks import settings
from cobalt_tasks.errors import CobaltError
from cobalt_tasks.lab.server import Lab


async def _serve() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Lab(settings.load().home / "demo"):
        sys.stdout.write("lab ready\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> int:
    """Return the exit code."""
    try:
        asyncio.run(_serve())
    except CobaltError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
