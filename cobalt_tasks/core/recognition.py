"""When what recognises services was replaced: this program's own recognisers, or the fingerprints that are installed."""

from functools import cache
from pathlib import Path
from typing import Final

_OWN: Final = Path(__file__).parents[1] / "protocols"
_files: list[Path] = []


def also_by(file: Path) -> None:
    """Name a `file` that is replaced when other fingerprints are installed; this process uses no other one."""
    _files[:] = [file]


def changed_at() -> float:
    """Return when the newest recogniser came onto this machine, in epoch seconds."""
    return max([_own(), *(_created_at(file) for file in _files)])


@cache
def _own() -> float:
    return max(map(_created_at, _OWN.glob("*.py")), default=0.0)


def _created_at(file: Path) -> float:
    try:
        # Not the modification time: an archive or an image keeps that of its maker.
        return file.stat().st_ctime
    except OSError:
        return 0.0
