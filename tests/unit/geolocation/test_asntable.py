"""The compiled list of networks."""

from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.geolocation.local.asn_table import AsnTable, compile_table

LINES = [
    '3221225984,3221226239,64496,"Example, Inc."\n',  # 192.0.2.0/24
    "198.51.100.0,198.51.100.127,64497,Beispiel GmbH é\n",
    '198.51.100.128,198.51.100.255,64496,"Example, Inc."\n',
    "42540766411282592856903984951653826560,42540766490510755371168322545197776895,64498,Six\n",  # 2001:db8::/32
    "203.0.113.9,203.0.113.9,64499\n",
]


def table(folder: Path, lines: list[str]) -> AsnTable:
    """Compile and open."""
    file = folder / "x.asn"
    with file.open("wb") as opened:
        compile_table(lines, opened, 1781722800.0)
    return AsnTable(file)


def test_both_families_in_both_spellings(tmp_path: Path) -> None:
    """Ranges given as text or as integers are found at their first and last address, and nowhere else."""
    found = table(tmp_path, LINES)
    assert found.get("192.0.2.0") == found.get("192.0.2.255") == (64496, "Example, Inc.")
    assert found.get("198.51.100.127") == (64497, "Beispiel GmbH é")
    assert found.get("198.51.100.128") == (64496, "Example, Inc.")
    assert found.get("203.0.113.9") == (64499, "")
    assert found.get("2001:db8::1") == (64498, "Six")
    for outside in (
        "192.0.1.255",
        "192.0.3.0",
        "203.0.113.8",
        "203.0.113.10",
        "2001:db9::",
        "::1",
        "255.255.255.255",
    ):
        assert found.get(outside) is None
    assert found.built == 1781722800.0


NETWORKS = st.lists(st.integers(min_value=0, max_value=2**32 - 1), min_size=2, max_size=40, unique=True)


@given(NETWORKS, st.booleans(), st.randoms())
def test_it_finds_what_a_search_through_the_list_finds(bounds: list[int], wide: bool, random: object) -> None:
    """For any disjoint ranges, in any order, every bound and its neighbours give what a plain search gives."""
    shift = 96 if wide else 0
    bounds.sort()
    ranges = [
        (low << shift, ((high << shift) - 1), number)
        for number, (low, high) in enumerate(zip(bounds[::2], bounds[1::2], strict=False), 1)
    ]
    lines = [f"{_text(low, wide)},{_text(high, wide)},{number},net {number}\n" for low, high, number in ranges]
    random.shuffle(lines)  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder:
        found = table(Path(folder), lines)
        for edge in {value for low, high, _ in ranges for value in (low - 1, low, high, high + 1)}:
            if not 0 <= edge < 2 ** (128 if wide else 32):
                continue
            expected = next(((n, f"net {n}") for low, high, n in ranges if low <= edge <= high), None)
            assert found.get(_text(edge, wide)) == expected


def _text(value: int, wide: bool) -> str:
    return str(ip_address(value.to_bytes(16 if wide else 4)))


@pytest.mark.parametrize(
    "line",
    ["", "1,2\n", "a,b,1,x\n", "2,1,1,x\n", "1,2,-1,x\n", f"1,{2**128},1,x\n", "1,2,4294967296,x\n", "²,3,1,x\n"],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    """Nothing but ranges is compiled, and the reason is one line."""
    with pytest.raises(GeodbError, match="list of networks"), (tmp_path / "x").open("wb") as opened:
        compile_table([line] if line else [], opened, 0.0)


@pytest.mark.parametrize("content", [b"", b"not a table", b"COBALT asn 1 l\n\0" + b"\xff" * 60])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty, a foreign and a damaged file are told apart from a table when they are opened."""
    (tmp_path / "x.asn").write_bytes(content)
    with pytest.raises(GeodbError):
        AsnTable(tmp_path / "x.asn")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    """A table without its end is not opened."""
    table(tmp_path, LINES)
    file = tmp_path / "x.asn"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(GeodbError, match="cut"):
        AsnTable(file)
