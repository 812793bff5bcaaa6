"""Formats that are large XML documents, read element by element as they come; a file cut before its end is fine.

Each element is parsed as a document of its own. Without a DOCTYPE there are no entities to expand, and one inside an
element is an error of that element's.
"""

import re
import xml.etree.ElementTree as ET
from abc import abstractmethod
from functools import lru_cache
from typing import ClassVar

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.base import Format


class XmlElements(Format):
    """A document whose records are elements.

    Attributes:
        tag: the name of the elements; several between `|`. One inside another is part of it.

    """

    tag: ClassVar[bytes]
    longest: ClassVar[int] = 16 << 20

    @abstractmethod
    def element(self, element: ET.Element, batch: Batch) -> None:
        """Read one element into the batch.

        Args:
            element: the element.
            batch: what it is added to.

        Raises:
            RefusedError: it cannot be used; nothing of it was counted.

        """

    def split(self, data: bytes) -> int:
        """Cut after the last whole element."""
        return max((end for _, end in self._spans(data)), default=0)

    def resume(self, data: bytes) -> int:
        """Go on after the element that was too long."""
        found = _ends(self.tag).search(data)
        return found.end() if found else 0

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each element of `data`, which starts at byte `position`, into `batch`."""
        at = 0
        for start, at in self._spans(data):  # where the last one ends
            block = data[start:at]
            try:
                self.element(ET.fromstring(block), batch)  # noqa: S314  # no DOCTYPE: no entities
            except (ET.ParseError, ValueError, LookupError) as error:
                reason = f"no XML: {error}" if isinstance(error, ET.ParseError) else str(error)
                batch.reject(position + start, reason, block)
        if cut := _starts(self.tag).search(data, at):
            batch.reject(position + cut.start(), "the element has no end", data[cut.start() :])

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return (start, end) of each whole element."""
        found, at = [], 0
        while start := _starts(self.tag).search(data, at):
            end = data.find(b"</%s>" % start[1], start.end())
            if end < 0:
                break
            at = end + len(start[1]) + 3
            found.append((start.start(), at))
        return found


@lru_cache
def _starts(tag: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"<(%s)(?=[\s>])[^<>]*(?<!/)>" % tag)


@lru_cache
def _ends(tag: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"</(?:%s)>" % tag)
