"""What `cobalt top` shows: the queues and their pace, the newest changes, and the riskiest hosts."""

import time
from typing import Final

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.queries import Filter, Order
from cobalt_tasks.views import changes, host_tables, hosts, status, status_tables
from cobalt_tasks.views.status import SystemStatus
from cobalt_tasks.views.tables import Cell, Column, Output
from cobalt_tasks.views.text import ago, iso

_LEAST_ROWS: Final = 3
_MOST_ROWS: Final = 40
_RISK: Final = (Column("Risk", cut=False, right=True), Column("Address", cut=False), Column("Place"), Column("Ports"))
_CHANGES: Final = (Column("When", cut=False, right=True), Column("Address", cut=False), Column("What"))


class Top:
    """Draws again and again; rates are of what was read between two drawings."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Read nothing yet. `database`: the ledger; settings: of this process."""
        self._database = database
        self._settings = settings
        self._before: tuple[float, int] | None = None

    def draw(self, output: Output) -> None:
        """Print everything that fits into the height of `output`.

        Raises:
            CobaltError: the database does not answer.

        """
        found = status.collect(self._database, self._settings)
        # The tables above and the heads below take the rest.
        rows = max(_LEAST_ROWS, min(_MOST_ROWS, (output.height - len(found.queues) - 12) // 2))
        self._head(output, found)
        output.table(*status_tables.work(found))
        output.line()
        self._changes(output, rows)
        output.line()
        self._riskiest(output, rows)

    def _head(self, output: Output, found: SystemStatus) -> None:
        at = (iso(found.at) or "")[11:19]
        output.line(f"cobalt  {at} UTC  {self._pace(found)}  {found.connections:,} connections  q quits", "bold")
        reasons = found.health.reasons
        more = f" (and {len(reasons) - 1} more: cobalt status)" if len(reasons) > 1 else ""
        if reasons:
            output.line(f"{reasons[0].text}{more}", "bold red" if reasons[0].stops else "yellow")
        else:
            output.line("All is well." if found.ledger["sources"] else status_tables.NEXT_STEP, "green")
        output.line()

    def _pace(self, found: SystemStatus) -> str:
        """Return how many records were read a second since the drawing before."""
        read, now = found.ledger["read"], time.monotonic()
        before, self._before = self._before, (now, read)
        if before is None or now <= before[0]:
            return f"{read:,} records read"
        return f"{max(0, read - before[1]) / (now - before[0]):,.0f} records/s"

    def _changes(self, output: Output, most: int) -> None:
        page = changes.page(self._database, most, changes.ChangeFilter(), self._settings.home)
        rows = [
            (f"{ago(max(0.0, time.time() - row['recorded_at']))} ago", row["address"], changes.in_words(row))
            for row in page["items"]
        ]
        output.line(f"Newest changes{'' if rows else ': none yet'}", "bold")
        if rows:
            output.table(_CHANGES, rows)

    def _riskiest(self, output: Output, most: int) -> None:
        found = hosts.host_list(self._database, most, Filter(), Order.SCORE)
        rows = [
            (
                Cell(f"{host['score']:.2f}", "red" if host["score"] >= 0.5 else ""),  # noqa: PLR2004  # the half of the page
                host["address"],
                host_tables.place(host),
                ", ".join(map(host_tables.service, host["ports"])),
            )
            for host in found
        ]
        output.line(f"Riskiest hosts{'' if rows else ': none has a score above 0'}", "bold")
        if rows:
            output.table(_RISK, rows)
