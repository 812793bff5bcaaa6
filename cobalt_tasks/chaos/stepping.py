"""Steps the time of day of processes while they run, by libfaketime; their monotonic clocks are left alone."""

from pathlib import Path

_FOLDERS = ("usr/lib", "usr/local/lib", "lib")
_SITE = Path(__file__).parent / "stepped"


def library() -> str | None:
    """Return libfaketime, None where it is not installed (Debian's package faketime)."""
    found = (path for folder in _FOLDERS for path in Path("/", folder).glob("**/faketime/libfaketimeMT.so.1"))
    return next(map(str, found), None)


class SteppedClock:
    """The time of day of all processes that are started with `environment`."""

    def __init__(self, file: Path) -> None:
        """Start at this machine's own time; `file` holds the seconds that the clock is ahead of it."""
        self._file = file
        self.step(0.0)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a process that sees this clock; empty if libfaketime is not installed."""
        found = library()
        if found is None:
            return {}
        return {
            "LD_PRELOAD": found,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(_SITE),
        }

    def step(self, seconds: float) -> None:
        """Set it so many seconds ahead of this machine's own, behind it when negative."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}")
        # A database may run as another user.
        new.chmod(0o644)
        new.replace(self._file)
