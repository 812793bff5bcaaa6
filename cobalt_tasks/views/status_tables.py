"""The status for people: what fits a screen of 80 columns and 24 lines, or every table in full."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cobalt_tasks.core.records import State
from cobalt_tasks.ingest.streams.leftover import summary
from cobalt_tasks.views.host_tables import place, port_row
from cobalt_tasks.views.status import Queue, SystemStatus
from cobalt_tasks.views.tables import Cell, Column, Output
from cobalt_tasks.views.text import ago, day

NEXT_STEP: Final = "nothing was read yet: cobalt ingest FILE reads a scan or a capture, cobalt up --demo shows a lab"

_SCREEN: Final = 80
"""Columns of a screen that the status fits."""

_NEVER_CUT: Final = ("input", "known")
"""Numbers that belong together."""

_REASONS_SHOWN: Final = 3
_SOURCES_SHOWN: Final = 15
_LATE_SECONDS: Final = 30.0
"""Scoring leaves the newest seconds to its next round."""

_STATE_STYLES: Final = {State.DONE: "green", State.FAILED: "yellow", State.DEAD: "bold red", State.RUNNING: "cyan"}
_BEHIND_STYLES: Final = ((60.0, "bold red"), (5.0, "yellow"))
"""Minutes behind from which a queue is overloaded, and from which it is busy; the page has the same."""

_COUNTERS: Final = ("read", "accepted", "duplicates", "rejected", "ignored")
_ADDRESS, _PORT = Column("Address", cut=False), Column("Port", cut=False)


def print_summary(status: SystemStatus, output: Output | None = None) -> None:
    """Print a status on one screen. status: what to print; output: where, None for standard output."""
    output = output or Output()
    reasons = status.health.reasons
    is_narrow = output.width < _SCREEN
    # A whole screen has one line for most; a narrow one is scrolled.
    show, whole = (output.words, None) if is_narrow else (output.line, _NEVER_CUT)
    for reason in reasons[:_REASONS_SHOWN]:
        show(reason.text, "bold red" if reason.stops else "yellow")
    if len(reasons) > _REASONS_SHOWN:
        output.line(f"and {len(reasons) - _REASONS_SHOWN} more: cobalt status --all", "yellow")
    for note in status.health.notes[:1]:
        output.line(note, "dim")
    if not reasons:
        output.line("All is well.", "green")
    output.facts(_facts(status), whole=whole)
    output.line()
    output.table(*work(status))
    output.line()
    output.facts([("providers", _providers_in_words(status)), ("workers", _workers_in_words(status))], whole=whole)


def print_all(status: SystemStatus) -> None:
    """Print every part of the status, one table after the other."""
    output = Output()
    for reason in status.health.reasons:
        output.words(reason.text, "bold red" if reason.stops else "yellow")
    for note in status.health.notes:
        output.words(note, "dim")
    for title, columns, rows, empty in _tables(status):
        output.line(title, "bold")
        if columns and rows:
            output.table(columns, rows, "  ")
        elif empty:
            output.words(f"  {empty}")
        output.line()
        if title == "Sources":
            output.line("Known", "bold")
            output.facts(_facts(status, is_long=True), "  ")
            output.line()


def _number(value: int | None, style: str = "") -> Cell:
    if value is None:
        return Cell(None, "yellow", "?")
    return Cell(value, style if value else "dim", f"{value:,}" if value else "·")


def _facts(status: SystemStatus, *, is_long: bool = False) -> Iterable[tuple[str, str]]:
    yield "input", _input(status)
    counts = ("connections", "hosts", "ports", "domains", "certificates")
    yield "known", " · ".join(f"{getattr(status, name):,} {name}" for name in counts)
    located = status.geolocation
    share = f"{located.located:,} of {located.hosts:,} public hosts ({located.coverage:.0%})"
    yield "located", f"{share}, in {status.countries:,} countries"
    yield "scores", _scoring(status)
    if status.certificates_expired or status.certificates_expiring:
        soon = f"{status.certificates_expiring:,} certificates expire within 30 days"
        yield "expiry", f"{soon}, {status.certificates_expired:,} expired: cobalt certificates"
    if status.journals:
        yield "journals", summary(status.journals)
    yield from _databases(status, is_long=is_long)


def _databases(status: SystemStatus, *, is_long: bool) -> Iterable[tuple[str, str]]:
    """Yield the local geolocation databases of a `status`, with what their licences want shown; is_long: each on its line."""
    found = status.geodb
    if not found:
        yield "geodb", status.geodb_trouble or "no local geolocation database here: cobalt geodb update fetches one"
        return
    words = [f"{each.title}: {each.age_days:.0f} d old{' (too old)' if each.old else ''}" for each in found]
    words += dict.fromkeys(each.attribution for each in found if each.attribution)
    if is_long:
        yield from (("geodb", text) for text in words)
    else:
        late = ["too old: cobalt geodb update"] if any(each.old for each in found) else []
        yield "geodb", "; ".join(late + words)


def _input(status: SystemStatus) -> str:
    count = status.ledger["sources"]
    if not count:
        return NEXT_STEP
    numbers = {name: f"{status.ledger[name]:,}" for name in _COUNTERS}
    parts = " + ".join(f"{numbers[name]} {name}" for name in _COUNTERS[1:])
    return f"{numbers['read']} read from {count:,} sources = {parts}"


def _scoring(status: SystemStatus) -> str:
    lag = status.scoring
    if lag.seconds <= _LATE_SECONDS:
        return "up to date"
    return f"{ago(lag.seconds)} behind, {lag.observations:,} connections not looked at"


def work(status: SystemStatus) -> tuple[Sequence[Column], Sequence[Sequence[object]]]:
    """Return one table of queues and jobs: what waits, what runs, what became of the rest, and the pace."""
    names = ("waiting", "running", "done", "failed", "dead", "oldest", "done/min", "behind")
    columns = (Column("queue"), *(Column(name, right=True) for name in names))
    rows = [[name, *_work_row(status.jobs[name], queue)] for name, queue in status.queues.items()]
    return columns, rows


def _work_row(states: Mapping[str, int], queue: Queue) -> list[object]:
    shown = (State.RUNNING, State.DONE, State.FAILED, State.DEAD)
    counts = [_number(states.get(state.value, 0), _STATE_STYLES.get(state, "")) for state in shown]
    pace = _number(queue.finished_per_minute)
    return [_number(queue.jobs), *counts, _ago(queue.oldest_seconds), pace, _behind(queue.minutes_behind)]


def _providers_in_words(status: SystemStatus) -> str:
    parts = []
    for name, provider in status.providers.items():
        if provider.open:
            parts.append(f"{name} not asked ({provider.reason or 'failures'})")
        else:
            left = "" if provider.remaining is None else f" {provider.remaining:,} calls left"
            parts.append(f"{name}{left or ' ready'}")
    return " · ".join(parts) or "none is configured"


def _workers_in_words(status: SystemStatus) -> str:
    if status.broker is not None:
        # Why is among what is wrong, at the top.
        return "not known while Redis does not answer"
    alive = [worker for worker in status.workers if worker.alive]
    if not alive:
        return "none answers: jobs wait in the ledger; cobalt up starts them"
    queues = sorted({queue for worker in alive for queue in worker.queues})
    return f"{len(alive)} of {len(status.workers)} answer, for {', '.join(queues)}"


def _tables(status: SystemStatus) -> Iterable[tuple[str, Sequence[Column], Sequence[Sequence[object]], str]]:
    """Yield for each part its title, its columns, its rows, and what is printed if there are none."""
    yield "Sources", *_sources(status), NEXT_STEP
    columns = (Column("kind"), *(Column(state.value, right=True) for state in State))
    jobs = [
        [kind, *(_number(states.get(state.value, 0), _STATE_STYLES.get(state, "")) for state in State)]
        for kind, states in status.jobs.items()
    ]
    yield "Jobs", columns, jobs, ""
    yield "Queues", *_queues(status), ""
    yield "Providers", *_providers(status), "none is configured"
    rows = [[each.name, _alive(alive=each.alive), ", ".join(each.queues)] for each in status.workers]
    yield "Workers", (Column("worker"), Column("state", cut=False), Column("queues")), rows, _workers_in_words(status)
    yield from _latest(status)


def _alive(*, alive: bool) -> Cell:
    return Cell("alive", "green") if alive else Cell("gone", "red")


def _sources(status: SystemStatus) -> tuple[Sequence[Column], Sequence[Sequence[object]]]:
    rows = []
    for source in status.sources[:_SOURCES_SHOWN]:
        name = source.name if source.generation == 1 else f"{source.name} (generation {source.generation})"
        rows.append([name, *(_number(getattr(source, counter)) for counter in _COUNTERS)])
    if (count := status.ledger["sources"]) > len(rows):
        rows.append([Cell(f"all {count} sources", "bold"), *(_number(status.ledger[name]) for name in _COUNTERS)])
    return (Column("source"), *(Column(name, cut=False, right=True) for name in _COUNTERS)), rows


def _queues(status: SystemStatus) -> tuple[Sequence[Column], Sequence[Sequence[object]]]:
    names = ("messages", "jobs", "oldest", "started/min", "finished/min", "behind")
    rows = [
        [
            name,
            _number(queue.messages),
            _number(queue.jobs),
            _ago(queue.oldest_seconds),
            _number(queue.started_per_minute),
            _number(queue.finished_per_minute),
            _behind(queue.minutes_behind),
        ]
        for name, queue in status.queues.items()
    ]
    return (Column("queue"), *(Column(name, right=True) for name in names)), rows


def _behind(minutes: float) -> Cell:
    style = next((style for least, style in _BEHIND_STYLES if minutes >= least), "")
    value = round(minutes * 60, 1)
    return Cell(value, "dim", "·") if value < 1 else Cell(value, style, ago(value))


def _ago(seconds: float | None) -> Cell:
    """Return a length of time: for programs in seconds."""
    return Cell(None if seconds is None else round(seconds, 1), "", ago(seconds))


def _providers(status: SystemStatus) -> tuple[Sequence[Column], Sequence[Sequence[object]]]:
    columns = (Column("provider"), Column("calls left", right=True), Column("resets in", right=True), Column("state"))
    rows = []
    for name, provider in status.providers.items():
        remaining = Cell(None, "dim", "–") if provider.remaining is None else provider.remaining
        state = Cell(f"not asked: {provider.reason or 'failures'}", "yellow") if provider.open else "ready"
        rows.append([name, remaining, _ago(provider.resets_in), state])
    return columns, rows


def _latest(status: SystemStatus) -> Iterable[tuple[str, Sequence[Column], Sequence[Sequence[object]], str]]:
    """Yield what was found last, as far as there is any."""
    found = status.latest
    if found.banners:
        rows: list[Sequence[object]] = [[row["address"], *port_row(row)] for row in found.banners]
        yield "Latest banners", (_ADDRESS, _PORT, Column("Service"), Column("Banner")), rows, ""
    if found.certificates:
        columns = (_ADDRESS, _PORT, Column("Names"), Column("Valid until", cut=False))
        yield "Latest certificates", columns, [_certificate_row(row) for row in found.certificates], ""
    if found.locations:
        located = [[row["address"], place(row), _coordinates(row)] for row in found.locations]
        yield "Latest locations", (_ADDRESS, Column("Place"), Column("Coordinates", cut=False)), located, ""


def _certificate_row(row: Mapping[str, Any]) -> Sequence[object]:
    names = ", ".join(row["names"]) or row["subject"]
    return [row["address"], f"{row['port']}/{row['protocol']}", names, day(row["not_after"])]


def _coordinates(row: Mapping[str, Any]) -> str:
    return "" if row["latitude"] is None else f"{row['latitude']:.2f}, {row['longitude']:.2f}"
