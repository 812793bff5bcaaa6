"""`cobalt accept`."""

from typing import TYPE_CHECKING

import click

from cobalt_tasks.cli._group import Group

if TYPE_CHECKING:
    from collections.abc import Callable

    from cobalt_tasks.hosts.notes import Note


@click.group(cls=Group, short_help="Accept findings or changes: they neither alert nor score.")
def accept() -> None:
    """Accept a finding or a change: it neither alerts nor scores, until a time, for a reason.

    \b
    Example:
      cobalt accept finding 192.0.2.10 risky_port --until 2027-01-01 --because "honeypot"
      cobalt accept change 4711 --until 90d --because "planned by the office"
    """  # noqa: D301  # Click's mark for "do not wrap"


def _options(command: "Callable[..., None]") -> "Callable[..., None]":
    options = (
        click.option("--because", required=True, metavar="TEXT", help="Why."),
        click.option("--until", metavar="DATE", help="When it is over: 2027-01-01 (UTC) or 90d; without it, never."),
        click.option("--by", metavar="NAME", help="Who accepts it. Default: the user who runs the command."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@accept.command()
@click.argument("address")
@click.argument("rule")
@click.option("--subject", default="", metavar="S", help="Only this one of the rule, such as tcp/23. Default: all.")
@_options
def finding(address: str, rule: str, subject: str, because: str, until: str | None, by: str | None) -> None:
    """Accept what RULE finds on the host ADDRESS; `cobalt score --explain ADDRESS` lists the rules.

    \b
    Example:
      cobalt accept finding 192.0.2.10 risky_port --subject tcp/23 --because "honeypot"
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.addresses import canonical
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.notes import FINDING
    from cobalt_tasks.views import notes as views

    known = canonical(address)
    if known is None:
        raise ConfigurationError(f"{address!r} is no IP address")
    note = _note(FINDING, rule, known, subject, because, until, by)
    settings = load()
    database = existing_ledger(settings)
    try:
        number = views.accept_finding(database, settings.home, note)
    finally:
        database.dispose()
    click.echo(f"note {number}: {views.described(note)} is accepted")


@accept.command()
@click.argument("change_id", type=click.IntRange(1))
@_options
def change(change_id: int, because: str, until: str | None, by: str | None) -> None:
    """Accept a change, and others of its kind on the same port or host; `cobalt changes --json` has the ids.

    \b
    Example:
      cobalt accept change 4711 --until 90d --because "planned by the office"
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.notes import CHANGE
    from cobalt_tasks.views import notes as views

    note = _note(CHANGE, "", "", "", because, until, by)
    database = existing_ledger(load())
    try:
        number, what = views.accept_change(database, change_id, note)
    finally:
        database.dispose()
    click.echo(f"note {number}: {what} is accepted")


def _note(  # the parts of a note
    about: str, kind: str, address: str, subject: str, because: str, until: str | None, by: str | None
) -> "Note":
    import time

    from cobalt_tasks.hosts.notes import Note
    from cobalt_tasks.views import notes as views

    now = time.time()
    return Note(
        about=about,
        kind=kind,
        address=address,
        subject=subject,
        reason=because,
        author=by or _user(),
        created_at=now,
        expires_at=views.until(until, now),
    )


def _user() -> str:
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user that it does not know.
        return f"uid {os.getuid()}"
