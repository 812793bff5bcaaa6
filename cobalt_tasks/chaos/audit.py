"""The audit after the faults: do invariants 1 to 5 of docs/architecture.md hold?

It compares the tables with what was fed, and with what the servers outside counted themselves.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from cobalt_tasks.chaos.faults import Struck
from cobalt_tasks.chaos.feed import Expected, Target
from cobalt_tasks.chaos.targets import CALLS
from cobalt_tasks.chaos.trigger_log import Rows, TriggerLog, one_of
from cobalt_tasks.core.records import ACTIVE_STATES, FINAL_STATES, WORKER_LOST, State

MOST_RECOVERY: Final = 30.0
"""Seconds after the end of a fault: a lease, two sweeps, and what it takes to start a worker, Redis or database again."""

_TALLY = ("read", "accepted", "duplicates", "rejected", "ignored")
_MOST_SAID = 20
_OUT = (State.SENT, State.RUNNING)


class Recovery(Struct, frozen=True):
    """How long a job was out of reach after a fault: seconds, its id, the state it was in, and from when to when (epoch seconds)."""

    seconds: float = 0.0
    job: int = 0
    state: str = ""
    since: float = 0.0
    until: float = 0.0


class Findings(Struct, kw_only=True):
    """What was found. `problems` is empty when every promise held."""

    lines: int = 0
    jobs: dict[str, int] = {}
    lost: int = 0
    duplicated: int = 0
    ledger_balanced: bool = True
    provider_calls: int = 0
    over_budget: int = 0
    longest_recovery: float = 0.0
    slowest: str = ""
    """The job of the longest recovery, and the faults meanwhile."""
    longest_wait: float = 0.0
    problems: list[str] = []

    def problem(self, text: str) -> None:
        """Add one line about a promise that did not hold; only the first ones are kept."""
        if len(self.problems) < _MOST_SAID:
            self.problems.append(text)


def examine(  # noqa: PLR0913, PLR0917  # the tables, and all that was done to them
    trigger_log: TriggerLog,
    folder: Path,
    expected: Mapping[str, Expected],
    jobs: set[Target],
    faults: Sequence[Struck],
    steps: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    waiting: Mapping[int, Sequence[float]] = {},  # read only
) -> Findings:
    """Compare the tables with what was fed.

    Args:
        trigger_log: the log of transitions, in the database that is audited.
        folder: where the targets wrote their own logs.
        expected: file name → what its counts must be.
        jobs: the jobs that must exist, and no others.
        faults: what was done to the stack, by time.
        steps: (when, seconds ahead of this machine's clock) for each time the database's clock was set.
        waiting: job → when its message was seen to wait in Redis, by time.

    """
    found = Findings(jobs=dict(trigger_log.ask("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state")))
    _ledger(trigger_log, expected, found)
    _lost(trigger_log, jobs, found)
    _duplicated(trigger_log, expected, found)
    _budget(folder, found)
    transitions = trigger_log.ask("SELECT at, job, old, new, parked FROM chaos_transitions ORDER BY at")
    transitions = sorted((real_time(at, steps), *rest) for at, *rest in transitions)
    times = [(fault.at, max(fault.at, fault.until)) for fault in faults]
    slowest = longest_recovery(transitions, times, waiting)
    found.longest_recovery, found.slowest = slowest.seconds, _described(trigger_log, slowest, faults)
    found.longest_wait = longest_wait(transitions, times)
    if found.longest_recovery >= MOST_RECOVERY:
        found.problem(f"a job was out of reach for {found.longest_recovery:.1f} s, {MOST_RECOVERY:.0f} s may pass")
    return found


def _described(trigger_log: TriggerLog, slowest: Recovery, faults: Sequence[Struck]) -> str:
    kinds = trigger_log.ask(f"SELECT kind FROM jobs WHERE id = {slowest.job}")  # noqa: S608
    if not kinds:
        return ""
    struck = [
        f"{fault.name} at {fault.at - slowest.since:.1f} s"
        for fault in faults
        if slowest.since <= fault.at <= slowest.until
    ]
    return f"{kinds[0][0]} job {slowest.job}, {slowest.state} for {slowest.until - slowest.since:.1f} s: {', '.join(struck)}"


def _ledger(trigger_log: TriggerLog, expected: Mapping[str, Expected], found: Findings) -> None:
    """Invariant 1: every source's counts are exactly those of what was fed to it."""
    found.lines = sum(Path(name).read_bytes().count(b"\n") for name in expected)
    rows = {row[0]: row[1:] for row in trigger_log.ask(f"SELECT name, {', '.join(_TALLY)} FROM sources")}  # noqa: S608
    if len(rows) != trigger_log.count("SELECT count(*) FROM sources"):
        found.problem("a file became several sources")
    for name, wanted in expected.items():
        wants = tuple(getattr(wanted, part) for part in _TALLY)
        if rows.get(name) != wants:
            found.problem(f"the ledger of {Path(name).name} says {rows.get(name)}, fed were {wants}")
    found.ledger_balanced = not found.problems


def _lost(trigger_log: TriggerLog, jobs: set[Target], found: Findings) -> None:
    """Invariant 2: every job that must have been made reached a final state."""
    active = trigger_log.count(f"SELECT count(*) FROM jobs WHERE state IN {one_of(ACTIVE_STATES)}")  # noqa: S608
    made = {tuple(row) for row in trigger_log.ask("SELECT kind, address, port FROM jobs")}
    missing = jobs - made
    if active:
        found.problem(f"{active} jobs never ended")
    if missing:
        found.problem(f"{len(missing)} jobs were never made, such as {sorted(missing)[:3]}")
    ended_by_us = f"state = '{State.DEAD}' AND outcome <> '{WORKER_LOST}'"
    if ours := trigger_log.count(f"SELECT count(*) FROM jobs WHERE {ended_by_us}"):  # noqa: S608
        found.problem(f"{ours} jobs died of a fault in the program")
    if made - jobs:
        found.problem(f"{len(made - jobs)} jobs were made that no input calls for: {sorted(made - jobs)[:3]}")
    found.lost = active + len(missing)


def _duplicated(trigger_log: TriggerLog, expected: Mapping[str, Expected], found: Findings) -> None:
    """Invariant 3: no line is stored twice, no job ends twice, no result is written twice."""
    lines = sum(wanted.observations for wanted in expected.values())
    stored = trigger_log.count("SELECT count(*) FROM observations")
    distinct = trigger_log.count("SELECT count(DISTINCT observed_at) FROM observations")
    if stored != lines or distinct != lines:
        found.problem(f"{lines} connections were fed, {stored} are stored, {distinct} of them different")
    discoveries = sum(wanted.discoveries for wanted in expected.values())
    if (rows := trigger_log.count("SELECT count(*) FROM discoveries")) != discoveries:
        found.problem(f"{discoveries} discoveries were fed, {rows} are stored")
        found.lost += max(0, discoveries - rows)
    found.lost += max(0, lines - distinct)
    repeated = {
        "lines are stored twice": stored - distinct,
        "jobs ended twice": _surplus(
            trigger_log,
            f"SELECT count(*) AS n FROM chaos_transitions WHERE new IN {one_of(FINAL_STATES)} GROUP BY job",  # noqa: S608
        ),
        "jobs were claimed while another worker held them": trigger_log.count(
            f"SELECT count(*) FROM chaos_transitions WHERE old = '{State.RUNNING}' AND new = '{State.RUNNING}'",  # noqa: S608
        ),
        "targets were worked on twice": _surplus(
            trigger_log,
            # A job that is fresh or paused when it is claimed ends without having run.
            f"SELECT count(DISTINCT job) AS n FROM chaos_transitions JOIN jobs ON jobs.id = job "  # noqa: S608
            f"WHERE new = '{State.RUNNING}' GROUP BY kind, address, protocol, port",
        ),
        "names were written twice": _surplus(
            trigger_log,
            "SELECT count(*) AS n FROM hostnames WHERE source = 'ptr' GROUP BY address",
        ),
        "banners were written twice": _surplus(
            trigger_log,
            "SELECT count(*) AS n FROM banners WHERE source = 'probe' GROUP BY address, protocol, port",
        ),
        "locations were written twice": _surplus(
            trigger_log,
            "SELECT count(*) AS n FROM chaos_locations GROUP BY address",
        ),
    }
    for what, count in repeated.items():
        if count:
            found.problem(f"{count} {what}")
    found.duplicated = sum(repeated.values())


def _surplus(trigger_log: TriggerLog, groups: str) -> int:
    return trigger_log.count(f"SELECT coalesce(sum(n - 1), 0) FROM ({groups}) AS grouped")  # noqa: S608


def _budget(folder: Path, found: Findings) -> None:
    """Invariant 5: the provider itself counted its calls."""
    calls = folder / CALLS
    statuses = [line.split()[1] for line in calls.read_text().splitlines()] if calls.exists() else []
    found.provider_calls = len(statuses)
    found.over_budget = sum(status != "200" for status in statuses)
    if found.over_budget:
        found.problem(f"{found.over_budget} calls were beyond the provider's budget")


def real_time(at: float, steps: Sequence[tuple[float, float]]) -> float:
    """Return a time of the database's clock by this machine's: the one that fits a step, or comes nearest to one.

    `at`: epoch seconds. `steps`: as for `examine`, the first at the start of the run. A time that is a day behind must
    not count as one before the run, so every step has a start.
    """
    ends = [*(began for began, _ in steps[1:]), math.inf]
    spans = [(began, at - ahead, end) for (began, ahead), end in zip(steps, ends, strict=True)]
    _, real, _ = min(spans, key=lambda span: max(span[0] - span[1], span[1] - span[2], 0.0))
    return real


def longest_recovery(
    transitions: Rows,
    faults: Sequence[tuple[float, float]],
    waiting: Mapping[int, Sequence[float]] = {},  # read only
) -> Recovery:
    """Return the longest recovery: from the end of a fault until a job that was sent or running then changed its state.

    A job whose message was seen to wait in Redis was within reach at that moment: it waited for its turn.

    Args:
        transitions: (at, job, old, new, parked), by time.
        faults: (start, end) of each fault, by time.
        waiting: job → when its message was seen to wait in Redis, by time.

    """
    slowest = Recovery()
    out_since: dict[int, tuple[float, str]] = {}
    for at, job, _, new, _ in transitions:
        since, state = out_since.pop(job, (None, ""))
        seconds = _struck(since, at, faults)
        if state == State.SENT:
            seconds = min(seconds, at - _last_before(waiting.get(job, ()), at))
        if since is not None and seconds > slowest.seconds:
            slowest = Recovery(seconds, job, state, since, at)
        if new in _OUT:
            out_since[job] = (at, new)
    return slowest


def longest_wait(transitions: Rows, faults: Sequence[tuple[float, float]]) -> float:
    """Return the longest wait, in seconds: from the end of the first fault that struck a job to its next start or its end,
    even if other faults struck it meanwhile.

    Args:
        transitions: (at, job, old, new, parked), by time.
        faults: (start, end) of each fault, by time.

    """
    longest = 0.0
    out_since: dict[int, float] = {}
    for at, job, _, new, parked in transitions:
        if new == State.SENT:
            out_since.setdefault(job, at)
        elif new == State.RUNNING or new in FINAL_STATES:
            longest = max(longest, _struck(out_since.pop(job, None), at, faults))
            if new == State.RUNNING:
                out_since[job] = at
        elif parked:
            # A pause that its own outcome asked for.
            out_since.pop(job, None)
    return longest


def _last_before(moments: Sequence[float], at: float) -> float:
    index = bisect_left(moments, at)
    return moments[index - 1] if index else -math.inf


def _struck(since: float | None, until: float, faults: Sequence[tuple[float, float]]) -> float:
    """Return the seconds from the end of the first fault that struck within a span to the span's end."""
    first = bisect_left(faults, (since, 0.0)) if since is not None else len(faults)
    return max(0.0, until - faults[first][1]) if first < len(faults) and faults[first][0] < until else 0.0
