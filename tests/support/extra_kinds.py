"""Two kinds of another package, with its entry points; and, run as a program, jobs of every kind and urgency.

`python -m tests.support.extra_kinds MESSAGES` sends so many messages for each kind and urgency, in any order, and prints
the catalog's kinds in their order.
"""

import itertools
import random
import sys
from pathlib import Path

_KINDS = """
from cobalt_tasks.core.kinds import Disclosure, Kind, Origin, Pool, Unit

def kind(name, priority):
    return Kind(name=name, priority=priority, unit=Unit.HOST, pool=Pool.NETWORK, discloses_to=Disclosure.RESOLVER,
                origins=frozenset({Origin.HOST}), runner="extra_runner:probe", facts=frozenset({"hostnames"}),
                fresh_for=60.0, pause=0.0)

FIRST = kind("aa_first", 3)
SECOND = kind("a_second", 7)
"""
_RUNNER = """
from cobalt_tasks.core.records import Facts, Hostname, Outcome, Verdict

async def probe(job, net):
    name = Hostname(address=job.address, name=f"{job.kind}.example", source="test", observed_at=1.0)
    return Outcome(job=job, verdict=Verdict.DONE, code="fine", facts=Facts(hostnames=[name]))
"""
_ENTRY_POINTS = "[cobalt.kinds]\nsecond = extra_kinds:SECOND\nfirst = extra_kinds:FIRST\n"


def install(folder: Path, entry_points: str = _ENTRY_POINTS) -> Path:
    """Write the package into a folder as pip would; return the folder, for PYTHONPATH.

    Args:
        folder: where it goes; made if need be.
        entry_points: the text of its entry_points.txt.

    """
    details = folder / "extra_kinds-1.0.dist-info"
    details.mkdir(parents=True)
    (details / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-kinds\nVersion: 1.0\n")
    (details / "entry_points.txt").write_text(entry_points)
    (folder / "extra_kinds.py").write_text(_KINDS)
    (folder / "extra_runner.py").write_text(_RUNNER)
    return folder


def main(messages: int) -> None:
    """Send, then print the names."""
    from cobalt_tasks.core import settings
    from cobalt_tasks.core.catalog import KINDS
    from cobalt_tasks.core.kinds import Unit, Urgency
    from cobalt_tasks.core.records import NewJob
    from cobalt_tasks.db.schema import open_ledger
    from cobalt_tasks.jobs import creation
    from cobalt_tasks.jobs.dispatcher import Dispatcher

    loaded = settings.load()
    database = open_ledger(loaded)
    dispatcher = Dispatcher(database, loaded)
    groups = [*itertools.product(KINDS, Urgency)] * messages
    random.Random(7).shuffle(groups)
    for number, (kind, urgency) in enumerate(groups):
        port = {"protocol": "tcp", "port": 1} if kind.unit is Unit.PORT else {}
        database.write(creation.create, [NewJob(kind=kind.name, address=f"127.0.1.{number}", urgency=urgency, **port)])
        assert dispatcher.dispatch([kind.name]) == 1
    sys.stdout.write("\n".join(kind.name for kind in KINDS))


if __name__ == "__main__":
    main(int(sys.argv[1]))
