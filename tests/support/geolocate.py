"""`cobalt geolocate` as tests run it, and hosts of every sort for it."""

import sys
import time

from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from cobalt_tasks.cli import cobalt
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import hosts, locations

COMMAND = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "geolocate"]


def add_hosts(database: Database, *addresses: str) -> None:
    """Make hosts, as ingest does."""
    now = time.time()
    with database.writing() as connection:
        connection.execute(
            insert(hosts),
            [{"address": each, "first_seen": now, "last_seen": now, "discovered": False} for each in addresses],
        )


def run(*arguments: str) -> Result:
    """Run the command; it must end well."""
    result = CliRunner().invoke(cobalt, ["geolocate", *arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def located(database: Database) -> set[str]:
    """Return the addresses that have a location."""
    with database.reading() as connection:
        return set(connection.execute(select(locations.c.address)).scalars())


UNKNOWN = [f"11.0.{index // 256}.{index % 256}" for index in range(230)]
KNOWN = [f"8.8.8.{index}" for index in range(40)]
PRIVATE = ["192.168.1.1", "10.0.0.7", "224.0.0.251", "100.64.1.1"]
