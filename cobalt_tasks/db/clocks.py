"""The steady clock: the database's clock without its steps, so that none of them starts a provider's window early.

Every machine knows how far the steady clock is ahead of its own clock, which counts the seconds since it was started and is
never stepped. The sweep holds that against the database's clock: where they part by more than a second, the database's
clock was stepped, and the difference is kept. Seconds of the steady clock are close to those since the epoch, and no more.
"""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Text, bindparam, exists, or_, select

from cobalt_tasks.core import clock
from cobalt_tasks.core.clock import Moment
from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import clocks

STEP_SECONDS: Final = 1.0
"""Clocks that part by less are made to agree slowly; more is a step."""

_DATABASE: Final = ""
_SLEW: Final = 0.001
"""Seconds in a second by which clocks are made to agree; no clock is wrong by so much."""

_SWEPT_SECONDS: Final = 30.0
"""The last sweep was that long ago at most, or it is unknown whether the database's clock was stepped since."""


# One statement, built once: every claim and every batch of input runs it.
_moment: Final = select(database_now().label("wall")).subquery()
_columns: Final = (
    clocks.c.name,
    clocks.c.ahead,
    clocks.c.checked_at,
    clocks.c.doubted,
    clocks.c.stepped_at,
    clocks.c.step,
)
_READINGS: Final = select(_moment.c.wall, *_columns).outerjoin_from(
    _moment, clocks, or_(clocks.c.name == _DATABASE, clocks.c.name == bindparam("clock", type_=Text()))
)

_LARGE: Final = 60.0
_GAP_SECONDS: Final = 86400.0
_HELD_SECONDS: Final = 3600.0
"""For so long after a large step nothing is done that cannot be undone, such as pruning: the clock may be wrong."""


class Observed(Struct, frozen=True, kw_only=True):
    """What a sweep found out about the database's clock.

    Attributes:
        step: seconds by which it was stepped since the last sweep, negative when it was set back; 0 when it was not.
        is_new: this machine was started anew, or never swept: a step before that would not have been seen.
        is_trusted: the time of day can be trusted: it was not stepped by a minute or more within the last hour, nor
            has more than a day passed unseen.
        is_doubted: a transaction saw the clocks part since the last sweep, though they may agree again.

    """

    step: float
    is_new: bool
    is_trusted: bool
    is_doubted: bool


class _Row(Struct, frozen=True):
    ahead: float = 0.0
    checked_at: float = 0.0
    doubted: float | None = None
    stepped_at: float | None = None
    step: float | None = None


class _View(Struct, frozen=True):
    """All readings at one moment; `own` is None where this machine is not known yet."""

    at: Moment
    wall: float
    database: _Row
    own: _Row | None

    @property
    def steady(self) -> float:
        if self.own is None:
            return self.wall - self.database.ahead
        return self.at.seconds + self.own.ahead

    @property
    def drift(self) -> float:
        """How far the database's clock is ahead of where it should be."""
        return self.wall - self.database.ahead - self.steady

    @property
    def has_gap(self) -> bool:
        """Whether this machine saw nothing of the clock since the last sweep, and that is long ago, or in the future."""
        last = self.database.checked_at
        return self.own is None and last > 0 and not 0 <= self.wall - last < _GAP_SECONDS

    @property
    def nearer(self) -> float:
        """How far the steady clock is ahead of this machine's, a little nearer to what the database's clock shows."""
        if self.own is None:
            return self.steady - self.at.seconds
        most = _SLEW * max(0.0, self.at.seconds - self.own.checked_at)
        return self.own.ahead + min(most, max(-most, self.drift))


def observe(connection: Connection, at: Moment | None = None) -> Observed:
    """Find out whether the database's clock was stepped since the last sweep; `record` remembers it.

    `at`: this machine's clock, None for now.
    """
    view = _view(connection, at)
    last = view.database
    is_calm = last.stepped_at is None or abs(last.step or 0.0) < _LARGE or view.steady - last.stepped_at > _HELD_SECONDS
    return Observed(
        step=view.drift if abs(view.drift) >= STEP_SECONDS else 0.0,
        is_new=view.own is None,
        is_trusted=is_calm and abs(view.drift) < _LARGE and not view.has_gap,
        is_doubted=bool(connection.execute(select(exists().where(clocks.c.doubted == last.checked_at))).scalar()),
    )


def record(connection: Connection, at: Moment | None = None) -> None:
    """Remember how the clocks stand. Only sweeps may: one machine's own clock, which may have been paused, is no proof.

    `at`: this machine's clock, None for now.
    """
    view = _view(connection, at)
    values: dict[str, float | None] = {"ahead": view.database.ahead, "checked_at": view.wall}
    if abs(view.drift) >= STEP_SECONDS or view.has_gap:
        step = view.wall - view.database.checked_at if view.has_gap else view.drift
        values = {"ahead": view.wall - view.steady, "checked_at": view.wall, "stepped_at": view.steady, "step": step}
        _write(connection, view.at.clock, _agreed(view, view.steady))
    else:
        _write(connection, view.at.clock, _agreed(view, view.nearer + view.at.seconds))
    _write(connection, _DATABASE, values)


def steady(connection: Connection, at: Moment | None = None) -> float | None:
    """Return the steady clock to go by in a transaction that writes; None while it is not known.

    `at`: this machine's clock, None for now.
    That is when the clocks have parted since the last sweep: the next one finds out whose fault that is.
    """
    view = _view(connection, at)
    is_swept = abs(view.wall - view.database.checked_at) < _SWEPT_SECONDS
    if view.own is None:
        if view.database.checked_at and not is_swept:
            return None
        _write(connection, view.at.clock, _agreed(view, view.steady))
        return view.steady
    if abs(view.drift) < STEP_SECONDS:
        if view.own.doubted not in {None, view.database.checked_at}:
            # A doubt that a sweep has seen is over: the next step is not the one it was about.
            _write(connection, view.at.clock, _doubt(view, None))
        return view.steady
    if view.own.doubted is None:
        _write(connection, view.at.clock, _doubt(view, view.database.checked_at))
        return None
    if view.own.doubted == view.database.checked_at or not is_swept:
        return None
    # A sweep came since and agrees with the database's clock: this machine was paused as a whole.
    agreed = view.wall - view.database.ahead
    _write(connection, view.at.clock, _agreed(view, agreed))
    return agreed


def estimate(connection: Connection, at: Moment | None = None) -> float:
    """Return the steady clock as far as it is known, for what only looks; `at`: this machine's clock, None for now."""
    return _view(connection, at).steady


def presumed(connection: Connection, at: Moment | None = None) -> float:
    """Return the steady clock in a transaction that writes, as far as it is known: for what lasts hours.

    `at`: this machine's clock, None for now.
    While the clocks have parted, this machine's own counts, so that a step is left out before a sweep has seen it.
    """
    known = steady(connection, at)
    return estimate(connection, at) if known is None else known


def _agreed(view: _View, steady: float) -> dict[str, float | None]:
    return {"ahead": steady - view.at.seconds, "checked_at": view.at.seconds, "doubted": None}


def _doubt(view: _View, since: float | None) -> dict[str, float | None]:
    own = view.own or _Row()
    return {"ahead": own.ahead, "checked_at": own.checked_at, "doubted": since}


def _view(connection: Connection, at: Moment | None) -> _View:
    at = at or clock.since_boot()
    found = connection.execute(_READINGS, {"clock": at.clock}).all()
    rows = {name: _Row(*rest) for _, name, *rest in found if name is not None}
    return _View(at, found[0].wall, rows.get(_DATABASE, _Row()), rows.get(at.clock))


def _write(connection: Connection, name: str, values: dict[str, float | None]) -> None:
    insert = insert_into(connection, clocks).values(name=name, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))
