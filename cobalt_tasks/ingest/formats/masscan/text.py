"""What masscan prints for people (see masscan_lines.py), with the JSON that -oJ - puts between it."""

from typing import ClassVar

from cobalt_tasks.ingest.formats.masscan import lines as masscan_lines
from cobalt_tasks.ingest.formats.masscan.json_ import MasscanJson


class MasscanText(MasscanJson):
    """One event a line, padded with blanks."""

    name: ClassVar = "masscan-text"
    summary: ClassVar = "what it prints for people, and -oU"

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, ends a line: masscan prints no end."""
        return tail.endswith(b"\n")

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a whole line."""
        return masscan_lines.recognises(line)
