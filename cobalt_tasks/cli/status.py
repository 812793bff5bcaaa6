"""`cobalt status`."""

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
def status(as_json: bool) -> None:
    """Show the ledger of every source, jobs, queues, coverage, providers and workers.

    Works while no broker answers: messages are then unknown, everything else is in the ledger.

    \b
    Example:
      cobalt status
      cobalt status --json | jq .jobs.geolocation
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views.status import collect

    settings = load()
    database = existing_ledger(settings)
    try:
        state = collect(database, settings)
    finally:
        database.dispose()
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(state), indent=2).decode())
        return
    from cobalt_tasks.views.terminal import print_status

    print_status(state)
