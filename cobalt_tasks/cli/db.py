"""`cobalt db`: the ledger's schema."""

import click

from cobalt_tasks.cli._group import Group


@click.group(cls=Group)
def db() -> None:
    """Upgrade the database.

    \b
    Example:
      cobalt db upgrade
    """  # noqa: D301  # Click's mark for "do not wrap"


@db.command(epilog="Example: cobalt db upgrade")
def upgrade() -> None:
    """Create the tables, or bring them up to date. Every other command does this too, when it is needed."""
    from cobalt_tasks.core import settings as environment
    from cobalt_tasks.db import schema
    from cobalt_tasks.db.engine import Database

    def report(reached: str) -> None:
        click.echo(f"migration {reached} of {schema.HEAD} is done", err=True)

    database = Database(environment.load().database_url)
    schema.upgrade(database, report)
    database.dispose()
    click.echo(f"the database is at revision {schema.HEAD}")
