"""Runs every fuzz target for some seconds, as many at a time as there are processors; fails when one fails."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cobalt_tasks.ingest.formats import FORMATS, recognise
from cobalt_tasks.protocols.registry import PROTOCOLS

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"
SEEDS = HERE / "seeds"
"""One small input for each format, by its name."""

FINDINGS = HERE / "findings"
_TRIM = 2048
START = 4
"""Seconds until a target has started."""

SCRIPTS = {
    **dict.fromkeys((f"protocol:{each.name}" for each in PROTOCOLS), "protocols.py"),
    **dict.fromkeys((*(each.name for each in FORMATS), "recognise"), "formats.py"),
}
"""The script of each target."""


def run(name: str, seconds: int, seed: int) -> bool:
    """Run one target on the beginnings of the samples that are its own; return whether it held. seed: 0 for one of chance."""
    with tempfile.TemporaryDirectory(prefix="cobalt-fuzz-") as corpus:
        for number, sample in enumerate(path for path in SAMPLES.glob("*/*") if path.is_file()):
            data = sample.read_bytes()
            if (found := recognise(data)) and found.name == name:
                (Path(corpus) / str(number)).write_bytes(data[:_TRIM])
        for input_ in SEEDS.iterdir() if name == "recognise" else [SEEDS / name]:
            if input_.exists():
                shutil.copy(input_, corpus)
        command = [sys.executable, str(HERE / SCRIPTS[name]), name.removeprefix("protocol:"), corpus]
        limits = [
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            f"-artifact_prefix={corpus}/found-",
        ]
        began = time.monotonic()
        done = subprocess.run([*command, *limits], capture_output=True, text=True, check=False)
        runs = next((line for line in reversed(done.stderr.splitlines()) if line.startswith(("Done ", "#"))), "")
        print(  # noqa: T201
            f"{name:24} {'held' if not done.returncode else 'FAILED'} {time.monotonic() - began:4.0f} s  {runs[:60]}",
            flush=True,
        )
        if done.returncode:
            FINDINGS.mkdir(exist_ok=True)
            for found_file in Path(corpus).glob("found-*"):
                shutil.copy(found_file, FINDINGS / f"{name.replace(':', '-')}-{found_file.name}")
            sys.stderr.write(done.stderr[-3000:])
        return not done.returncode


def main() -> None:
    """Run all, or those named after the number of seconds; `--minutes N` shares so many minutes among them, and tries the
    same inputs each time: a change is not to fail for what chance found in another file.
    """
    share = sys.argv[1] == "--minutes"
    names = sys.argv[3 if share else 2 :] or list(SCRIPTS)
    processors = os.cpu_count() or 1
    seconds = max(1, int(float(sys.argv[2]) * 60 * processors / len(names)) - START) if share else int(sys.argv[1])
    with ThreadPoolExecutor(processors) as pool:
        held = list(pool.map(lambda name: run(name, seconds, seed=int(share)), names))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
