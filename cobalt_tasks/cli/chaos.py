"""`cobalt chaos`: tests on a private stack that nothing is lost and nothing is done twice."""

import random
from typing import TYPE_CHECKING

import click

from cobalt_tasks.cli._numbers import FiniteRange

if TYPE_CHECKING:
    from cobalt_tasks.chaos.run import ChaosReport


@click.command(
    epilog="Example: cobalt chaos --minutes 10 --database postgresql",
    short_help="Inject faults into a private stack, and check what it kept.",
)
@click.option(
    "--minutes", default=2.0, show_default=True, type=FiniteRange(0.2, of="minutes"), help="How long to inject faults."
)
@click.option(
    "--database",
    default="sqlite",
    show_default=True,
    type=click.Choice(["sqlite", "postgresql"]),
    help="What the ledger lies in; a PostgreSQL of its own is started (initdb must be installed).",
)
@click.option("--seed", type=int, help="Choose the same faults again.")
@click.option("--keep", is_flag=True, help="Leave the folder with logs and, on SQLite, the ledger.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def chaos(minutes: float, database: str, seed: int | None, keep: bool, as_json: bool) -> int:
    """Kill, pause and restart the parts of a whole stack while it works, then check that nothing was lost or repeated.

    It starts its own Redis, database, workers and beats in a temporary folder, talks to loopback addresses only, and
    touches nothing else. Exit 0: every promise held.
    """
    import logging
    import signal
    import sys

    from cobalt_tasks.chaos.run import Storm, run
    from cobalt_tasks.views import documents

    # That killed children are started again is no news here.
    logging.getLogger("cobalt_tasks.supervisor").setLevel(logging.ERROR)
    # Even then the stack is ended and its folder removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    storm = Storm(
        database="sqlite" if database == "sqlite" else "postgresql",
        minutes=minutes,
        seed=random.randrange(1 << 32) if seed is None else seed,  # noqa: S311
        keep=keep,
    )
    report = run(storm, lambda line: click.echo(f"chaos: {line}", err=True))
    if as_json:
        documents.print_object(report)
    else:
        _print(report)
    return 0 if report.holds else 1


def _print(report: "ChaosReport") -> None:
    found = report.findings
    states = ", ".join(f"{count:,} {state}" for state, count in found.jobs.items())
    strokes = ", ".join(f"{name} {count}" for name, count in report.faults_by_name.items())
    rows = {
        "faults": f"{report.faults} in {report.seconds:.0f} s: {strokes}",
        "lines": f"{found.lines:,} fed",
        "jobs": f"{sum(found.jobs.values()):,}: {states}",
        "lost": str(found.lost),
        "duplicated": str(found.duplicated),
        "ledger": "balanced" if found.ledger_balanced else "NOT balanced",
        "budget": f"{found.provider_calls} calls, {found.over_budget} beyond it",
        "priority": f"{report.overtaken} batches started before an urgent job",
        "recovery": f"{found.longest_recovery:.1f} s at the longest until a job was runnable again ({found.slowest or 'none was struck'})",
        "wait": f"{found.longest_wait:.1f} s at the longest until a job that a fault struck was started again",
        "rest": f"{report.rest_seconds:.1f} s after the last fault",
    }
    for name, text in rows.items():
        click.echo(f"{name:<11} {text}")
    for problem in found.problems:
        click.echo(f"BROKEN      {problem}")
    click.echo("every promise held" if report.holds else "promises were broken")
    if report.folder:
        click.echo(f"kept        {report.folder}")
