"""One fuzz target for each input format: `python tests/fuzz/formats.py FORMAT [libFuzzer options]`.

`make fuzz` runs them all, 60 seconds each. A target fails when a parser raises, loses a record, or accepts what the tables
cannot hold.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cobalt_tasks"]):
    from cobalt_tasks.ingest.batch import Batch
    from cobalt_tasks.ingest.formats import FORMATS, named, recognise

SAMPLES = Path(__file__).parents[1] / "samples"
NOW = 1_800_000_000.0
RECOGNISE = "recognise"
"""The target beside the formats: telling which one an input is."""

HIGHEST_PORT = 0xFFFF
LATEST = 253402300800


def check(batch: Batch) -> None:
    """Hold every row against what the tables take."""
    for _, when, _, source, _, target, port, protocol, *texts in batch.observations:
        assert 0 <= when < LATEST
        assert 0 <= port <= HIGHEST_PORT
        texts_fit(source, target, protocol, *texts)
    for each in batch.identified.values():
        assert 0 <= each.first_at <= each.observed_at <= each.last_at < LATEST
        assert 0 <= each.dst_port <= HIGHEST_PORT
        texts_fit(each.src_ip, each.dst_ip, each.protocol, each.process, each.identity, each.details)
    for _, address, protocol, port, key, when, _, reason, _, extra in batch.discoveries:
        assert 0 <= when < LATEST
        assert 0 <= port <= HIGHEST_PORT
        texts_fit(address, protocol, key, reason, extra)
    for name in batch.hostnames:
        texts_fit(name.address, name.name, name.source)
    for _, _, reason, line, _ in batch.rejects:
        texts_fit(reason)
        assert isinstance(line, bytes)


def texts_fit(*texts: str | None) -> None:
    """No database takes a NUL or half a character."""
    for text in texts:
        if text is not None:
            assert "\x00" not in text
            text.encode()


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
