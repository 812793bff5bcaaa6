"""Checks the search tree of a database in MaxMind's format: https://maxmind.github.io/MaxMind-DB/#binary-search-tree-section.

The data its records lead to are checked by `data_section`.
"""

import sys
from array import array
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

from cobalt_tasks.geolocation.local.data_section import UnsoundError

GAP: Final = 16
"""Zero bytes between tree and data."""

WIDTHS: Final = (24, 28, 32)
"""Bits of one record; a node has two."""


def read_records(tree: memoryview, width: int) -> "array[int]":
    """Return the records of `tree` (bytes) as numbers, two for each node; `width`: bits of a record, of `WIDTHS`."""
    raw = bytes(tree)
    wide = bytearray(len(raw) * 32 // width)
    if width == 28:  # noqa: PLR2004  # the two high nibbles share the byte in the middle
        wide[0::8] = raw[3::7].translate(bytes(byte >> 4 for byte in range(256)))
        wide[4::8] = raw[3::7].translate(bytes(byte & 15 for byte in range(256)))
        for target, source in ((1, 0), (2, 1), (3, 2), (5, 4), (6, 5), (7, 6)):
            wide[target::8] = raw[source::7]
    else:
        skipped = 4 - width // 8
        for byte in range(width // 8):
            wide[skipped + byte :: 4] = raw[byte :: width // 8]
    records = array("I", bytes(wide))
    if sys.byteorder == "little":
        records.byteswap()
    return records


def check_tree(records: "array[int]", nodes: int, data: int) -> tuple["array[int]", dict[int, int]]:
    """Return the record that leads to each node, and for each offset of data one record that leads there.

    Args:
        records: of the tree, two for each node.
        nodes: the number of nodes.
        data: the length of the data section, in bytes.

    Raises:
        UnsoundError: a record leads out of the file, or back to where it came from.

    """
    parents = array("I", bytes(4 * nodes))
    leaves: dict[int, int] = {}
    backward = False
    for index, record in enumerate(records):
        if record < nodes:
            # Aliases (6to4, mapped) lead to a node that has a parent already; its own comes first.
            if record > index >> 1:
                parents[record] = index
            else:
                backward = True
        elif record > nodes:
            offset = record - nodes - GAP
            if not 0 <= offset < data:
                raise UnsoundError("its search tree leads out of the file")
            leaves.setdefault(offset, index)
    if backward and _has_circle(records, nodes):
        raise UnsoundError("its search tree leads in a circle")
    return parents, leaves


def _has_circle(records: "array[int]", nodes: int) -> bool:
    """Return whether a way from the root comes back to itself. Nodes are entered once, and left once."""
    entered, left = bytearray(nodes), bytearray(nodes)
    stack = [0]
    while stack:
        node = stack[-1]
        if entered[node]:
            left[node] = 1
            stack.pop()
            continue
        entered[node] = 1
        for child in records[2 * node : 2 * node + 2]:
            if child < nodes and not left[child]:
                if entered[child]:
                    return True
                stack.append(child)
    return False


def address_of(parents: "array[int]", record: int, version: int) -> str:
    """Return an address whose look-up ends at a record; any if the path there is longer than an address.

    Args:
        parents: for each node the record that leads to it.
        record: the index of the record.
        version: 4 or 6, of the database.

    """
    family, places = (AF_INET6, 128) if version == 6 else (AF_INET, 32)  # noqa: PLR2004  # IPv6
    number = length = 0
    # From the record up to the root: its last bit is found first.
    while length < 128:  # noqa: PLR2004  # no way is longer in a sound file
        number |= (record & 1) << length
        length += 1
        if record < 2:  # noqa: PLR2004  # a record of the root
            break
        record = parents[record >> 1]
    number = number << (places - length) if length <= places else number >> (length - places)
    return inet_ntop(family, number.to_bytes(places // 8))
