"""Finds out which format an input has, from its beginning."""

import codecs
from typing import Final

from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.registry import of_family
from cobalt_tasks.ingest.streams import decompress

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
"""What some editors put before the first line. It is no part of the input."""

SAMPLE: Final = 64 * 1024
"""Bytes from the beginning of an input that are looked at to recognise it."""

NO_SCANS: Final = "scans are taken from a TCP port only with COBALT_SCOPE set, or use --listen unix:PATH"


def recognise(sample: bytes, family: str | None = None) -> type[Format] | None:
    """Return the format that most of the beginning of an input looks like; the first in the table when two tie.

    Args:
        sample: the beginning.
        family: the only family that is considered, None for all.

    """
    sample = sample[:SAMPLE].removeprefix(BYTE_ORDER_MARK)
    scores = {each: each.score(sample) for each in of_family(family)}
    best = max(scores, key=lambda each: scores[each], default=None)
    return best if best and scores[best] > 0 else None


def advice(sample: bytes) -> str:
    """Return why the beginning of an input looks like no format, and what the user can do about it."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it is UTF-16; turn it into UTF-8 first: iconv -f UTF-16 -t UTF-8"
    if decompress.is_packed(sample):
        return "it is compressed; give the file by name, or unpack it before the pipe"
    return "its format is not recognised; name it with --format"
