"""`cobalt jobs`: look at jobs, try them again, cancel them, prune them."""

from collections.abc import Callable
from typing import Any

import click

from cobalt_tasks.cli._group import Group
from cobalt_tasks.cli._numbers import FiniteRange
from cobalt_tasks.core import keep_limits
from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.records import State

_KINDS = click.Choice([kind.name for kind in KINDS])
_STATES = click.Choice([state.value for state in State])
_NUMBER = click.IntRange(1, 2**63 - 1)


@click.group(cls=Group)
def jobs() -> None:
    """List, retry, cancel or prune jobs.

    \b
    Example:
      cobalt jobs list --state failed
      cobalt jobs retry --kind certificate
    """  # noqa: D301  # Click's mark for "do not wrap"


def _selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select jobs."""
    for option in (
        click.option("--address", help="Only jobs about this address."),
        click.option("--state", type=_STATES, help="Only jobs in this state."),
        click.option("--kind", type=_KINDS, help="Only jobs of this kind."),
        click.argument("ids", nargs=-1, type=_NUMBER),
    ):
        command = option(command)
    return command


@jobs.command("list", epilog="Example: cobalt jobs list --state failed --kind banner")
@_selecting
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(
    ids: tuple[int, ...], kind: str | None, state: str | None, address: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, the newest first."""
    from cobalt_tasks.jobs import admin as job_admin

    with _ledger().reading() as connection:
        found = job_admin.find(connection, _selection(ids, kind, state, address), limit)
    _print(found, as_json=as_json)


@jobs.command(epilog="Example: cobalt jobs show 17")
@click.argument("number", type=_NUMBER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(number: int, as_json: bool) -> None:
    """Show all that is known of one job."""
    from cobalt_tasks.jobs import admin as job_admin
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.tables import Output

    with _ledger().reading() as connection:
        found = job_admin.find(connection, _selection((number,)), 1)
    if not found:
        raise click.UsageError(f"there is no job {number}")
    if as_json:
        documents.print_object(found[0])
        return
    known = documents.readable(found[0])
    Output().facts((name, value) for name, value in known.items() if value is not None)


@jobs.command(epilog="Example: cobalt jobs retry --state failed --kind certificate")
@_selecting
@click.option("--all", "everything", is_flag=True, help="Every failed, dead and cancelled job.")
def retry(ids: tuple[int, ...], kind: str | None, state: str | None, address: str | None, everything: bool) -> None:
    """Try failed, dead and cancelled jobs again, whatever their freshness or pause."""
    from cobalt_tasks.core import settings as environment
    from cobalt_tasks.core.errors import BrokerUnavailableError
    from cobalt_tasks.jobs import admin as job_admin
    from cobalt_tasks.jobs.dispatcher import Dispatcher

    selection = _named_selection(ids, kind, state, address, everything=everything)
    database = _ledger()
    _require_jobs(database, ids)
    count = job_admin.retry(database, selection)
    click.echo(f"{count} jobs are pending again")
    try:
        Dispatcher(database, environment.load()).dispatch(kind.name for kind in KINDS)
    except BrokerUnavailableError as error:
        click.echo(f"cobalt: {error}; they wait in the ledger", err=True)


@jobs.command(epilog="Example: cobalt jobs cancel --kind banner --address 192.0.2.10")
@_selecting
@click.option("--all", "everything", is_flag=True, help="Every job that has not ended.")
def cancel(ids: tuple[int, ...], kind: str | None, state: str | None, address: str | None, everything: bool) -> None:
    """Cancel jobs that have not ended. What a worker still finds out for one is thrown away."""
    from cobalt_tasks.jobs import admin as job_admin

    selection = _named_selection(ids, kind, state, address, everything=everything)
    database = _ledger()
    _require_jobs(database, ids)
    click.echo(f"{job_admin.cancel(database, selection)} jobs cancelled")


@jobs.command(epilog="Example: cobalt jobs prune --older-than 90")
@click.option("--older-than", "days", default=30.0, show_default=True, type=FiniteRange(0, of="days"), help="Days.")
def prune(days: float) -> None:
    """Delete the history of jobs that ended long ago. Facts stay."""
    from cobalt_tasks.jobs import admin as job_admin

    database, limit = _ledger(), keep_limits.of_days(days)
    total = 0
    while pruned := database.write(job_admin.prune, limit):
        total += pruned
    click.echo(f"{total} jobs pruned")


def _ledger() -> Any:
    from cobalt_tasks.core import settings as environment
    from cobalt_tasks.db.schema import existing_ledger

    return existing_ledger(environment.load())


def _selection(
    ids: tuple[int, ...], kind: str | None = None, state: str | None = None, address: str | None = None
) -> Any:
    from cobalt_tasks.core.addresses import canonical
    from cobalt_tasks.jobs.admin import Selection

    if address is not None and (spelled := canonical(address)) is None:
        raise click.BadParameter(f"{address!r} is no address", param_hint="--address")
    return Selection(ids=ids or None, kind=kind, state=state, address=spelled if address else None)


def _require_jobs(database: Any, ids: tuple[int, ...]) -> None:
    """Refuse numbers that no job has, before anything changes."""
    from cobalt_tasks.jobs import admin as job_admin

    if not ids:
        return
    with database.reading() as connection:
        found = {job["id"] for job in job_admin.find(connection, _selection(ids), len(ids))}
    if missing := [str(number) for number in ids if number not in found]:
        raise click.UsageError(f"there is no job {', '.join(missing[:5])}")


def _named_selection(
    ids: tuple[int, ...], kind: str | None, state: str | None, address: str | None, *, everything: bool
) -> Any:
    selection = _selection(ids, kind, state, address)
    if selection.is_everything and not everything:
        raise click.UsageError("name the jobs: their numbers, --kind, --state, --address, or --all")
    return selection


def _print(found: list[dict[str, Any]], *, as_json: bool) -> None:
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.tables import Column, Output
    from cobalt_tasks.views.text import iso

    if as_json:
        documents.print_list(found)
        return
    columns = (
        Column("Id", cut=False, right=True),
        Column("Kind", cut=False),
        Column("State", cut=False),
        Column("Target", cut=False),
        Column("Outcome"),
        Column("Detail"),
        Column("Finished"),
    )
    rows = []
    for job in found:
        target = job["address"] + (f" {job['port']}/{job['protocol']}" if job["port"] else "")
        end = iso(job["finished_at"])
        rows.append([str(job["id"]), job["kind"], job["state"], target, job["outcome"], job["detail"], end])
    Output().listing(columns, rows, "no jobs match")
