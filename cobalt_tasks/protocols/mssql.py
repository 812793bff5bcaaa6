"""Microsoft SQL Server: PRELOGIN, which shows the version to strangers ([MS-TDS] 2.2.6.5)."""

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_PRELOGIN = bytes.fromhex(
    "1201002f0000010000001a00060100200001020021000103002200040400260001ff110000000000000200000000000000"
)
_RESPONSE = 4
_HEADER = 8
_TOKEN = 5
_END = 0xFF
_RELEASES = {
    16: "2022",
    15: "2019",
    14: "2017",
    13: "2016",
    12: "2014",
    11: "2012",
    10: "2008",
    9: "2005",
    8: "2000",
}


def recognise(raw: bytes) -> Fingerprint | None:
    """The first option of the answer is the version."""
    if raw[:2] != b"\x04\x01" or int.from_bytes(raw[2:4], "big") != len(raw) or len(raw) < _HEADER + _TOKEN:
        return None
    body = raw[_HEADER:]
    offset, length = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    version = body[offset : offset + length]
    if body[0] != 0 or length < 6 or len(version) < length:  # noqa: PLR2004  # major, minor, build, sub-build
        return None
    major, minor, build = version[0], version[1], int.from_bytes(version[2:4], "big")
    release = _RELEASES.get(major)
    info = f"SQL Server {release}" if release else None
    return Fingerprint("mssql", "Microsoft SQL Server", f"{major}.{minor}.{build}", info=info)


PROTOCOL = Protocol(
    name="mssql",
    recognise=recognise,
    ports=(1433,),
    words=lambda _: _PRELOGIN,
    likelihood=19,
    rejects_http=True,
    aliases=("ms-sql-s",),
)
