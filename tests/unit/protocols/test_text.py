"""Bytes and names become text that is safe to store."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cobalt_tasks.core.text import LONGEST, hostname, printable


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain\r\n", "plain"),
        (b"one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("Käse ☃".encode(), "Käse ☃"),
        (b"\x00\x01\x7f", "\\x00\\x01\\x7f"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\x1b[31mred\rover", "\\x1b[31mred\\x0dover"),
        ("a\u202eb\u200b".encode(), "a\\xe2\\x80\\xaeb\\xe2\\x80\\x8b"),
        (b"<script>&", "<script>&"),
    ],
)
def test_printable(raw: bytes, expected: str) -> None:
    r"""Text stays, line ends are \n, and what controls terminals or direction is written as \xNN."""
    assert printable(raw) == expected


@given(st.binary(max_size=2 * LONGEST))
@example(b"\xff" * 2 * LONGEST)
def test_printable_of_any_bytes(raw: bytes) -> None:
    """Any bytes become bounded, storable text without a control character but line end and tab.

    Invariant 9 of docs/architecture.md, in the tables. Break: `_shown` or `LONGEST` in text.py.
    """
    text = printable(raw)
    assert len(text) <= 4 * LONGEST
    assert text.encode().decode() == text
    assert all(character.isprintable() or character in "\n\t" for character in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WWW.Example.com.", "www.example.com"),
        ("xn--kse-qla.example", "xn--kse-qla.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("3com.com", "3com.com"),
        ("localhost", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("-bad.example.com", None),
        ("bad-.example.com", None),
        ("a..example.com", None),
        (".example.com", None),
        ("exa mple.com", None),
        ("<b>.example.com", None),
        ("käse.example", None),
        ("*.example.com", None),
        ("a" * 64 + ".com", None),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
        (".".join(["a" * 49] * 5), ".".join(["a" * 49] * 5)),
        (".".join(["a" * 50] * 5), None),
        ("", None),
        (".", None),
    ],
)
def test_hostname(text: str, expected: str | None) -> None:
    """Names of at least two good labels pass, in lower case; addresses, markup and what is too long do not."""
    assert hostname(text) == expected


def test_wildcards() -> None:
    """A wildcard is a name only where it is asked for, and only as the whole first label."""
    assert hostname("*.Example.com", wildcard=True) == "*.example.com"
    for text in ("*", "*.", "*.com", "a*.example.com", "a.*.example.com", "*.*.example.com"):
        assert hostname(text, wildcard=True) is None


@given(st.text(max_size=300))
def test_hostname_of_any_text(text: str) -> None:
    """What passes is ASCII, bounded, and passes again unchanged."""
    name = hostname(text)
    if name is not None:
        assert name.isascii()
        assert len(name) <= 253
        assert hostname(name) == name
