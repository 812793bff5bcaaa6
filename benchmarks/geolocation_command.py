"""How long `cobalt geolocate --ip` takes, as a ratio to a bare program that opens the same file and prints the answer.

    python benchmarks/geolocation_command.py

Each runs 15 times, in turn; user and system time, the fastest run of each. Needs the databases that `cobalt geodb
update` fetches.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence

from cobalt_tasks.core import settings as environment
from cobalt_tasks.geolocation.local.manifest import load

ADDRESS = "8.8.8.8"
RUNS = 15


def seconds(command: Sequence[str]) -> float:
    """Return the processor time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    folder = environment.load().geodb_folder
    city = load(folder).of("city")
    assert city
    file = str(folder / city.files[0].name)
    bare = f"import maxminddb\nwith maxminddb.open_database({file!r}) as reader:\n    print(reader.get({ADDRESS!r}))"
    ours = "from cobalt_tasks.cli import main; main()"
    times = [
        (
            seconds([sys.executable, "-c", bare]),
            seconds([sys.executable, "-c", ours, "geolocate", "--ip", ADDRESS]),
        )
        for _ in range(RUNS)
    ]
    fastest = [min(each) for each in zip(*times, strict=True)]
    print(f"bare {fastest[0] * 1000:.0f} ms, ours {fastest[1] * 1000:.0f} ms: {fastest[1] / fastest[0]:.2f} times")


if __name__ == "__main__":
    main()
