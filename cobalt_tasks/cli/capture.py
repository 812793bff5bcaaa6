"""`cobalt capture`: this machine's own connections as capture lines."""

import click

from cobalt_tasks.cli._numbers import FiniteRange


@click.command(short_help="Print this machine's own connections as capture lines.")
@click.option(
    "--interval", type=FiniteRange(0.1, of="seconds"), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--loopback", is_flag=True, help="Show connections of this machine with itself too.")
@click.option("--once", is_flag=True, help="Look once and end.")
def capture(interval: float, loopback: bool, once: bool) -> None:
    """Print a capture line for each new connection of this machine, and a heartbeat every 20 seconds.

    Without root, names of other users' processes are missing.

    \b
    Example:
      cobalt capture | cobalt ingest -
      cobalt capture | cobalt up
    """  # noqa: D301  # Click's mark for "do not wrap"
    import signal
    import sys
    import threading

    from cobalt_tasks.ingest.own_connections import watch

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    watch(write, interval=interval, loopback=loopback, stopping=lambda seconds: once or stop.wait(seconds))
