"""`cobalt status`."""

from typing import TYPE_CHECKING

import click

from cobalt_tasks.cli._numbers import FiniteRange

if TYPE_CHECKING:
    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.db.engine import Database

_WATCH_SECONDS = 2.0


@click.command(short_help="Show input, jobs, queues, coverage, providers and workers.")
@click.option(
    "--all", "everything", is_flag=True, help="Every table in full: sources, queues, providers, latest facts."
)
@click.option(
    "--watch",
    metavar="[SECONDS]",
    is_flag=False,
    flag_value=_WATCH_SECONDS,
    type=FiniteRange(0.2, 3600, of="seconds"),
    help="Show it again every so many seconds (2 by default) until Ctrl-C or q.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --watch, one a line.")
def status(everything: bool, watch: float | None, as_json: bool) -> None:
    """Show input, jobs, queues, coverage, providers and workers on one screen.

    Works while no broker answers: messages are then unknown, everything else is in the ledger.

    \b
    Example:
      cobalt status
      cobalt status --all
      cobalt status --watch 5
      cobalt status --json | jq .jobs.geolocation
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger

    settings = load()
    database = existing_ledger(settings)
    try:
        if watch is None:
            _print(database, settings, everything=everything, as_json=as_json)
        else:
            _watch(database, settings, watch, as_json=as_json)
    finally:
        database.dispose()


def _print(database: "Database", settings: "Settings", *, everything: bool, as_json: bool) -> None:
    from cobalt_tasks.views import documents, status_tables
    from cobalt_tasks.views.status import collect

    state = collect(database, settings)
    if as_json:
        documents.print_object(state)
    elif everything:
        status_tables.print_all(state)
    else:
        status_tables.print_summary(state)


def _watch(database: "Database", settings: "Settings", seconds: float, *, as_json: bool) -> None:
    from cobalt_tasks.views import documents, live_screen, status_tables
    from cobalt_tasks.views.status import collect

    def draw(output: "live_screen.Output") -> None:
        state = collect(database, settings)
        if as_json:
            documents.print_list([state])
        else:
            status_tables.print_summary(state, output)

    live_screen.show(draw, seconds, is_plain=as_json)
