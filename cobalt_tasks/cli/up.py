"""`cobalt up`: everything on this machine."""

import click


@click.command(
    epilog="Example: masscan 192.0.2.0/24 -p22,80,443 -oD - | cobalt up",
    short_help="Run everything on this machine, and ingest standard input.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address of the page and Flower.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port of the page.")
@click.option("--flower-port", default=5555, show_default=True, type=click.IntRange(1, 65535), help="Port of Flower.")
@click.option(
    "-c",
    "--concurrency",
    default=2,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Processes in the pool of kinds that wait for the network, and as many for those that compute.",
)
@click.option("--demo", is_flag=True, help="Start a small lab on loopback addresses, and probe it.")
@click.option("--once", is_flag=True, help="Stop when the input has ended and every job is final.")
def up(host: str, port: int, flower_port: int, concurrency: int, demo: bool, once: bool) -> int:
    """Run a Redis, workers, beat, Flower and the page here, and ingest what comes on standard input.

    The state lies in COBALT_HOME (default ~/.cobalt); Ctrl-C stops everything in order.
    """
    from cobalt_tasks.core import settings as environment
    from cobalt_tasks.supervisor.up import UpOptions, run

    settings = environment.load()
    options = UpOptions(host=host, port=port, flower_port=flower_port, concurrency=concurrency, demo=demo, once=once)
    return run(settings, options, own_broker=not settings.broker_is_named)
