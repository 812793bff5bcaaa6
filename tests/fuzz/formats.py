"""One fuzz target for each input format: `python tests/fuzz/formats.py FORMAT [libFuzzer options]`.

`make fuzz` runs them all, 60 seconds each. A target fails when a parser raises, loses a record, or accepts what the tables
cannot hold.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["cobalt_tasks"]):
    from cobalt_tasks.ingest.batch import Batch
    from cobalt_tasks.ingest.formats import FORMATS, named, recognise

from tests.fuzz.fits import check

NOW = 1_800_000_000.0
RECOGNISE = "recognise"
"""The target beside the formats: telling which one an input is."""


def target(name: str) -> None:
    """Fuzz one format."""

    def once(data: bytes) -> None:
        if name == RECOGNISE:
            recognise(data)
            return
        parser = named(name)()
        parser.port = 80
        batch = Batch(1, NOW, "fuzz")
        at = 0
        # In pieces, as a pipe gives them: what is no whole record yet comes again with the rest.
        half = len(data) // 2
        at = parser.split(data[:half])
        assert 0 <= at <= half
        parser.parse(data[:at], 0, batch)
        state = parser.state
        parser = named(name)()
        parser.state = state
        parser.port = 80
        parser.parse(data[at:], at, batch)
        check(batch)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    names = [*(each.name for each in FORMATS), RECOGNISE]
    if len(sys.argv) < 2 or sys.argv[1] not in names:  # a name is needed
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(names)}")
    target(sys.argv[1])
