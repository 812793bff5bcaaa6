"""The most memory `cobalt ingest` takes for one million lines and for ten million, from a file: it must not grow.

python benchmarks/ingest_memory.py [--lines 1000000 10000000] [--feed zipf]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ingest_feeds import FEEDS

LIMIT = 150
"""MiB."""


def peak(feed: str, lines: int) -> tuple[float, str]:
    """Ingest a file of so many lines; return the peak of its resident memory in MiB, and its summary."""
    with tempfile.TemporaryDirectory(prefix="cobalt-") as home:
        file = Path(home) / "feed"
        with file.open("w") as out:
            out.writelines(line + "\n" for line in FEEDS[feed](lines))
        environment = {**os.environ, "COBALT_HOME": home, "COBALT_BROKER_URL": f"redis+socket://{home}/none"}
        command = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        out = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"cobalt ingest ended with {process.returncode}")
        return used.ru_maxrss / 1024, out.strip().rsplit(": ", 1)[-1]


def main() -> None:
    """Measure each length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--feed", choices=FEEDS, default="zipf")
    wishes = parser.parse_args()
    peaks = []
    for lines in wishes.lines:
        mebibytes, summary = peak(wishes.feed, lines)
        peaks.append(mebibytes)
        print(f"{wishes.feed} {lines:>10,} lines: peak {mebibytes:.0f} MiB of {LIMIT}  ({summary})", flush=True)
    print(f"ratio of the last to the first {peaks[-1] / peaks[0]:.2f}")
    sys.exit(max(peaks) > LIMIT)


if __name__ == "__main__":
    main()
