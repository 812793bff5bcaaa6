"""`cobalt top`."""

import click

from cobalt_tasks.cli._numbers import FiniteRange


@click.command(short_help="Watch queues, rates, changes and riskiest hosts live.")
@click.option(
    "--interval",
    type=FiniteRange(0.2, 3600, of="seconds"),
    default=2.0,
    show_default=True,
    help="Seconds between looks.",
)
def top(interval: float) -> None:
    """Watch queues, rates, the newest changes and the riskiest hosts until q or Ctrl-C.

    It needs a terminal, also one over ssh. Elsewhere it prints the same as plain text, again and again.

    \b
    Example:
      cobalt top
      cobalt top --interval 5
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views import live_screen
    from cobalt_tasks.views.top import Top

    settings = load()
    database = existing_ledger(settings)
    try:
        live_screen.show(Top(database, settings).draw, interval)
    finally:
        database.dispose()
