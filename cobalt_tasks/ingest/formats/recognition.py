"""Finds out which format an input has, from its start."""

import codecs
import time
from collections.abc import Sequence
from typing import Final

from cobalt_tasks.ingest.formats import foreign, wrapped
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.json_text import is_spread
from cobalt_tasks.ingest.formats.registry import of_family
from cobalt_tasks.ingest.streams import decompress

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
"""What some editors put before the first line. It is no part of the input."""

SAMPLE: Final = 1 << 20
"""Bytes from the start of an input that recognition may need: its first record can be that long."""

_ENOUGH: Final = 64 * 1024
"""Bytes that are looked at where they hold whole records."""

_SIGN: Final = 32
"""Bytes that show UTF-16 without a byte order mark."""

NO_SCANS: Final = "scans are taken from a TCP port only with COBALT_SCOPE set, or use --listen unix:PATH"


def recognise(sample: bytes, family: str | None = None) -> type[Format] | None:
    """Return the format that most of the start of an input looks like; the first in the table when two tie.

    Args:
        sample: its start.
        family: the only family that is considered, None for all.

    """
    sample = _enough(sample[:SAMPLE].removeprefix(BYTE_ORDER_MARK))
    formats = of_family(family)
    return _best(sample, formats) or _best_inside(sample, [each for each in formats if each.unwraps])


def _best(sample: bytes, formats: Sequence[type[Format]]) -> type[Format] | None:
    scores = {each: each.score(sample) for each in formats if sample}
    best = max(scores, key=lambda each: scores[each], default=None)
    return best if best and scores[best] > 0 else None


def _best_inside(sample: bytes, formats: Sequence[type[Format]]) -> type[Format] | None:
    """Return the format that the lines in what log shippers wrote look most like."""
    for keeps_times in (True, False):
        inside = wrapped.plain(sample, time.time(), keeps_times=keeps_times)
        if found := _best(inside, [each for each in formats if each.keeps_times is keeps_times]):
            return found
    return None


def _enough(sample: bytes) -> bytes:
    """Return as much of the sample as has to be looked at: some whole lines, or all of it where records are long."""
    end = sample.rfind(b"\n", 0, _ENOUGH) + 1
    if end and not is_spread(sample[:end]):
        return sample[:end]
    return sample[: sample.find(b"\n") + 1] if not end and b"\n" in sample else sample


def advice(sample: bytes) -> str:
    """Return why the start of an input looks like no format, and what the user can do about it."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _has_every_second_zero(sample[:_SIGN]):
        return "it is UTF-16; turn it into UTF-8 first: iconv -f UTF-16 -t UTF-8, or in PowerShell: Set-Content -Encoding utf8"
    if decompress.is_packed(sample):
        return "it is compressed; name the file instead of a pipe, or unpack it before the pipe"
    return foreign.advice(sample) or "its format is not recognised; name it with --format"


def _has_every_second_zero(start: bytes) -> bool:
    """Return whether the start of an input is text in UTF-16 without a byte order mark."""
    first, second = start[::2], start[1::2]
    return len(start) == _SIGN and any(
        not zeros.strip(b"\0") and others.isascii() and b"\0" not in others
        for zeros, others in ((first, second), (second, first))
    )
