"""The formats of input: one file each, and one line here."""

import codecs
from collections.abc import Sequence
from typing import Final

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.capture import Capture
from cobalt_tasks.ingest.formats.masscan.binary import MasscanBinary
from cobalt_tasks.ingest.formats.masscan.json_ import MasscanJson
from cobalt_tasks.ingest.formats.masscan.list_ import MasscanList
from cobalt_tasks.ingest.formats.masscan.text import MasscanText
from cobalt_tasks.ingest.formats.nmap.grepable import MasscanGrepable, NmapGrepable
from cobalt_tasks.ingest.formats.nmap.xml_ import MasscanXml, NmapXml
from cobalt_tasks.ingest.formats.projectdiscovery.naabu import NaabuJson, NaabuText
from cobalt_tasks.ingest.formats.projectdiscovery.tools import Fingerprintx, Httpx, Tlsx
from cobalt_tasks.ingest.formats.ss import Ss
from cobalt_tasks.ingest.formats.suricata import SuricataEve
from cobalt_tasks.ingest.formats.tshark import TsharkEk, TsharkFields
from cobalt_tasks.ingest.formats.zeek import ZeekJson, ZeekTsv
from cobalt_tasks.ingest.formats.zgrab2 import Zgrab2
from cobalt_tasks.ingest.formats.zmap import ZmapCsv, ZmapJson
from cobalt_tasks.ingest.streams import decompress as compressed

FORMATS: Final[Sequence[type[Format]]] = (
    Capture,
    MasscanJson,
    # unicornscan's form begins with the list's header.
    MasscanText,
    MasscanList,
    MasscanGrepable,
    MasscanXml,
    MasscanBinary,
    NmapXml,
    NmapGrepable,
    # An IPv6 address with a port behind it is an address too.
    NaabuText,
    ZmapCsv,
    ZmapJson,
    Zgrab2,
    Tlsx,
    Httpx,
    Fingerprintx,
    NaabuJson,
    ZeekTsv,
    ZeekJson,
    SuricataEve,
    TsharkEk,
    TsharkFields,
    Ss,
)
BY_NAME: Final = {each.name: each for each in FORMATS}
FAMILIES: Final = tuple(dict.fromkeys(each.family for each in FORMATS))

TRAFFIC: Final = frozenset({"capture", "zeek", "suricata", "tshark", "ss"})
"""Families that only report connections. Every other one reports scans, which make us probe what they name."""

NO_SCANS: Final = "scans are taken from a TCP port only with COBALT_SCOPE set, or use --listen unix:PATH"

MARK: Final = codecs.BOM_UTF8
"""What some editors put before the first line; it says nothing."""

SAMPLE: Final = 64 * 1024
"""Bytes from the beginning of an input that are looked at to recognise it."""


def named(name: str) -> type[Format]:
    """Return a format by its name.

    Raises:
        ConfigurationError: there is none of that name.

    """
    if name not in BY_NAME:
        raise ConfigurationError(f"there is no format {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def recognise(sample: bytes, family: str | None = None, *, scans: bool = True) -> type[Format] | None:
    """Return the format that most of the beginning of an input looks like; the first in the table when two tie.

    Args:
        sample: the beginning.
        family: the only family that is considered, None for all.
        scans: whether formats of scanners are considered.

    """
    sample = sample[:SAMPLE].removeprefix(MARK)
    scores = {
        each: each.score(sample)
        for each in FORMATS
        if family in (None, each.family) and (scans or each.family in TRAFFIC)
    }
    best = max(scores, key=lambda each: scores[each], default=None)
    return best if best and scores[best] > 0 else None


def unlike(sample: bytes) -> str:
    """Say of the beginning of an input that looks like no format what to do about it."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it is UTF-16; turn it into UTF-8 first: iconv -f UTF-16 -t UTF-8"
    if compressed.is_packed(sample):
        return "it is compressed; give the file by name, or unpack it before the pipe"
    return "its format is not recognised; name it with --format"
