"""`cobalt score`: the risk of hosts, and the findings behind it."""

import time
from typing import TYPE_CHECKING

import click

from cobalt_tasks.views.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.db.engine import Database
    from cobalt_tasks.hosts.notes import Note
    from cobalt_tasks.threat.findings import Finding
    from cobalt_tasks.threat.host_scores import ScoreChange
    from cobalt_tasks.threat.rules import Rules
    from cobalt_tasks.threat.store import Score

_SHOWN = 20


@click.command()
@click.option("--explain", metavar="ADDRESS", help="One host: every finding, with its points and its source.")
@click.option(
    "--recompute", is_flag=True, help="Compute everything again by the rules as they are now; show what changes."
)
@click.option("--limit", default=_SHOWN, show_default=True, type=click.IntRange(1, 100_000), help="Rows shown.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; with --explain and --recompute, one object."
)
def score(*, explain: str | None, recompute: bool, limit: int, as_json: bool) -> None:
    """List hosts by risk, highest first, from 0 to 1.

    The rules are in the package (rules.toml); a table of the same name in COBALT_HOME/threat.toml replaces one.

    \b
    Example:
      cobalt score
      cobalt score --explain 198.51.100.7
      cobalt score --recompute
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings as environment
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.threat import rules as threat

    if explain is not None and recompute:
        raise ConfigurationError("--explain and --recompute exclude each other")
    settings = environment.load()
    rules = threat.load(settings.home)
    database = existing_ledger(settings)
    try:
        if recompute:
            _recompute(database, rules, limit, as_json=as_json)
        elif explain is not None:
            _explain(database, settings, rules, explain, as_json=as_json)
        else:
            _list(database, rules, limit, as_json=as_json)
    finally:
        database.dispose()


def _list(database: "Database", rules: "Rules", limit: int, *, as_json: bool) -> None:
    from cobalt_tasks.db import counts
    from cobalt_tasks.db import tables as models
    from cobalt_tasks.threat import store as findings
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.tables import Column, Output

    with database.reading() as connection:
        highest = findings.highest(connection, limit)
        others = findings.count_other_versions(connection, rules.version)
        scored, hosts = findings.count_scores(connection), counts.table_size(connection, models.hosts)
    output = Output()
    if as_json:
        documents.print_list(highest)
    elif highest or not output.is_terminal:
        rows = [(f"{each.score:.2f}", each.address) for each in highest]
        output.table((Column("Score", cut=False), Column("Address", cut=False)), rows)
    if scored < hosts:
        click.echo(
            f"{hosts - scored:,} of {hosts:,} hosts are not scored yet: workers do it (cobalt up), "
            "or cobalt score --recompute",
            err=True,
        )
    elif not hosts:
        click.echo("No hosts yet: cobalt ingest brings them.", err=True)
    elif not highest:
        click.echo(f"All {hosts:,} hosts are scored, and no rule found anything.", err=True)
        click.echo("What was not looked at is in: cobalt score --explain ADDRESS", err=True)
    if others:
        click.echo(f"{others:,} scores were made by other rules: run `cobalt score --recompute`", err=True)


def _explain(database: "Database", settings: "Settings", rules: "Rules", given: str, *, as_json: bool) -> None:
    from cobalt_tasks.core.addresses import canonical
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.hosts import notes
    from cobalt_tasks.threat import store as findings
    from cobalt_tasks.views import documents, hosts

    address = canonical(given)
    if address is None:
        raise ConfigurationError(f"{given!r} is no IP address")
    missing = hosts.host(database, address, settings)["not_checked"]
    with database.reading() as connection:
        found = findings.scores_of(connection, [address]).get(address)
        pieces = findings.of_hosts(connection, [address]).get(address, [])
        accepted = notes.of_findings(connection, [address])
    if as_json:
        total = None if found is None else found.score
        document = {"address": address, "score": total, "evidence": pieces, "score_row": found, "not_checked": missing}
        document["accepted"] = accepted
        documents.print_object(document)
        return
    _print_explanation(address, found, pieces, accepted)
    if missing:
        click.echo("not checked:")
    for each in missing:
        click.echo(f"         {each.check:24} {printable(each.reason)}")
    if found is not None and found.rule_version != rules.version:
        click.echo("made by other rules than those in force: run `cobalt score --recompute`", err=True)


def _print_explanation(
    address: str, found: "Score | None", pieces: "Sequence[Finding]", accepted: "Sequence[Note]"
) -> None:
    from cobalt_tasks.hosts.notes import accepting

    if found is None:
        click.echo(f"{address}  not scored yet: workers do it (cobalt up), or cobalt score --recompute")
        return
    click.echo(f"{address}  {found.score:.2f}  (rules {found.rule_version})")
    for each in pieces:
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(each.observed_at))
        note = accepting(accepted, address, each.rule, each.subject)
        points = "   —" if note else f"{each.points:+.2f}"
        why = f"; accepted by {note.author}: {note.reason}" if note else ""
        click.echo(f"  {points:5}  {each.rule:24} {printable(each.detail)}  [{printable(each.source)}, {at}{why}]")
    if not pieces:
        click.echo("  the rules that could be checked found nothing")


def _recompute(database: "Database", rules: "Rules", limit: int, *, as_json: bool) -> None:
    from cobalt_tasks.db import counts
    from cobalt_tasks.db import tables as models
    from cobalt_tasks.threat import scoring
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.progress import ProgressBar

    with database.reading() as connection:
        total = counts.table_size(connection, models.hosts)
    hosts = changed = 0
    shown: list[ScoreChange] = []
    with ProgressBar("hosts scored", total) as progress:

        def report(count: int) -> None:
            nonlocal hosts
            hosts += count
            progress.show(hosts)

        for change in scoring.recompute(database, rules, report, progress.describe):
            changed += 1
            if len(shown) < limit:
                shown.append(change)
    if as_json:
        documents.print_object({"rule_version": rules.version, "hosts": hosts, "changed": changed, "changes": shown})
        return
    for each in shown:
        before = "  new" if each.before is None else f"{each.before:.2f}"
        click.echo(f"{before:>5} -> {each.after:.2f}  {each.address}")
    if changed > len(shown):
        click.echo(f"… and {changed - len(shown):,} more")
    click.echo(f"{hosts:,} hosts scored by the rules {rules.version}; {changed:,} changed.")
