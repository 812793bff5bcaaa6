"""`cobalt alerts`."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cobalt_tasks.cli._group import Group
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.views.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cobalt_tasks.alerts.config import Alerting, Receiver
    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.db.engine import Database

_STATES = ("pending", "sending", "sent", "dead")


@click.group(cls=Group, short_help="Send messages about what changed, by your rules.")
def alerts() -> None:
    """Send messages about what changed, by the rules in alerts.toml in COBALT_HOME.

    \b
    Example:
      cobalt alerts check
      cobalt alerts test
      cobalt alerts list --dead
    """  # noqa: D301  # Click's mark for "do not wrap"


@alerts.command()
@click.option("--since", default="24h", show_default=True, help="Try the rules on what changed since: 24h, 7d, a date.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(since: str, as_json: bool) -> None:
    """Read alerts.toml, report what is wrong in it, and show which changes each rule matches. Nothing is sent.

    \b
    Example:
      cobalt alerts check
      cobalt alerts check --since 7d
    """  # noqa: D301  # Click's mark for "do not wrap"
    import time

    from cobalt_tasks.alerts import evaluate
    from cobalt_tasks.core.errors import NoLedgerError
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.views.changes import moment

    alerting, after = _alerting(load()), moment(since, time.time())
    warnings = list(alerting.warnings)
    try:
        with _ledger() as (settings, database):
            found = evaluate.preview(database, settings.home, after)
    except NoLedgerError:
        found = {each.name: (0, []) for each in alerting.rules}
        warnings.append("there is no ledger yet: cobalt up or cobalt ingest makes one")
    if as_json:
        from cobalt_tasks.views import documents

        rows = {name: {"matches": count, "newest": newest} for name, (count, newest) in found.items()}
        receivers = {name: each.sort for name, each in alerting.receivers.items()}
        document = {
            "receivers": receivers,
            "rules": rows,
            "expected": [each.name for each in alerting.expected],
            "warnings": warnings,
        }
        documents.print_object(document)
        return
    for name, each in alerting.receivers.items():
        click.echo(f"receiver {printable(name)}: {each.sort}")
    for name, (count, newest) in found.items():
        click.echo(f"rule {printable(name)}: {count:,} matches since {since}")
        for line in newest:
            click.echo(f"  {printable(line)}")
    for expected in alerting.expected:
        click.echo(f"expected {printable(expected.name)}: {printable(expected.source)}")
    for warning in warnings:
        click.echo(f"warning: {printable(warning)}", err=True)


@alerts.command()
@click.argument("name", required=False)
def test(name: str | None) -> int:
    """Send a test message to every receiver, or to the one with NAME; exit 1 where one does not accept it.

    \b
    Example:
      cobalt alerts test
      cobalt alerts test team
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load

    alerting = _alerting(load())
    if name is not None and name not in alerting.receivers:
        known = ", ".join(alerting.receivers) or "none"
        raise ConfigurationError(f"alerts.toml has no receiver {name!r}; there are: {known}")
    chosen = [alerting.receivers[name]] if name else list(alerting.receivers.values())
    delivered = [_test(receiver) for receiver in chosen]
    return 0 if all(delivered) else 1


def _test(receiver: "Receiver") -> bool:
    import time
    import uuid

    from cobalt_tasks.alerts.message import Message
    from cobalt_tasks.alerts.receivers import deliver
    from cobalt_tasks.alerts.receivers.base import DeliveryError

    item = {"text": "a test message: cobalt alerts test sent it"}
    message = Message(key=uuid.uuid4().hex, rule="test", severity="info", created_at=time.time(), count=1, items=[item])
    try:
        deliver(receiver, message)
    except DeliveryError as error:
        click.echo(f"{printable(receiver.name)}: not delivered: {printable(error)}")
        return False
    click.echo(f"{printable(receiver.name)}: delivered")
    return True


@alerts.command(name="list")
@click.option("--dead", is_flag=True, help="Only those that could not be delivered in ten tries.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Messages at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(dead: bool, state: str | None, limit: int, as_json: bool) -> None:
    """List messages, the newest first: to whom, about how many changes, whether they were delivered, and why not.

    \b
    Example:
      cobalt alerts list --dead
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.alerts import outbox

    with _ledger() as (_, database), database.reading() as connection:
        rows = outbox.page(connection, limit, "dead" if dead else state)
    if as_json:
        from cobalt_tasks.views import documents

        documents.print_list(rows)
        return
    from cobalt_tasks.views.tables import Column, Output
    from cobalt_tasks.views.text import iso

    names = ("Id", "Written", "Rule", "To", "About", "State", "Tries", "Reason")
    columns = [
        Column(each, cut=each in {"Rule", "To", "Reason"}, right=each in {"Id", "About", "Tries"}) for each in names
    ]
    keys = ("id", "created_at", "rule", "receiver", "count", "state", "attempts", "reason")
    cells = [[iso(row[key]) if key == "created_at" else row[key] for key in keys] for row in rows]
    Output().listing(columns, cells, "no messages")


@alerts.command()
@click.argument("wanted", metavar="[ID]", required=False, type=click.IntRange(1))
def retry(wanted: int | None) -> None:
    """Send dead messages again, or the one with ID.

    \b
    Example:
      cobalt alerts retry
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.alerts import outbox

    with _ledger() as (_, database):
        click.echo(f"{database.write(outbox.retry, wanted)} messages are sent again")


@alerts.command()
@click.argument("wanted", metavar="[ID]", required=False, type=click.IntRange(1))
def drop(wanted: int | None) -> None:
    """Delete dead messages, or the one with ID.

    \b
    Example:
      cobalt alerts drop
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.alerts import outbox

    with _ledger() as (_, database):
        click.echo(f"{database.write(outbox.drop, wanted)} messages are deleted")


@contextmanager
def _ledger() -> "Iterator[tuple[Settings, Database]]":
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger

    settings = load()
    database = existing_ledger(settings)
    try:
        yield settings, database
    finally:
        database.dispose()


def _alerting(settings: "Settings") -> "Alerting":
    from cobalt_tasks.alerts import config

    found = config.load(settings.home)
    if found is None:
        raise ConfigurationError(f"there is no {settings.home / config.FILE}: docs/alerts.md has an example")
    return found
