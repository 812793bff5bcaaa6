"""The demo's input: a scan that lists the lab, and a capture with every kind of noise."""

from importlib.resources import files
from pathlib import Path

import msgspec

from cobalt_tasks import lab
from cobalt_tasks.core.settings import Settings


def settings_for_lab(settings: Settings) -> Settings:
    """Ask the lab's DNS server first, unless the user named one: the lab's names are known nowhere else."""
    resolvers = lab.resolvers()[: 1 if settings.offline else None]
    return settings if settings.resolvers else msgspec.structs.replace(settings, resolvers=resolvers)


def write_inputs(folder: Path) -> tuple[Path, Path]:
    """Write the scan and the capture into a folder; return their paths.

    A file that has the same content already is not written, so that it stays the same source.
    """
    folder.mkdir(exist_ok=True)
    capture = files(__package__).joinpath("connections.jsonl").read_bytes()
    return _write(folder / "lab-scan.json", lab.scan_lines()), _write(folder / "capture.jsonl", capture)


def _write(file: Path, content: bytes) -> Path:
    if not file.exists() or file.read_bytes() != content:
        file.write_bytes(content)
    return file
