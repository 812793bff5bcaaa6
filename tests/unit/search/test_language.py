"""The search language by itself: what parses, and what is said where it does not."""

import time
from ipaddress import ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from cobalt_tasks.hosts.search import compiler, language
from cobalt_tasks.hosts.search.fields import FIELDS, WORDS, Searchable
from cobalt_tasks.hosts.search.language import LONGEST, SearchError
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS
from cobalt_tasks.hosts.search.texts import version_key
from cobalt_tasks.hosts.search.values import Context

PIECES = st.sampled_from(
    [
        *(f"{field.name}:" for field in FIELDS),
        *(field.example for field in FIELDS),
        *(
            "(",
            ")",
            "-",
            "NOT ",
            " OR ",
            " AND ",
            '"',
            ",",
            ":",
            "..",
            "<",
            ">=",
            "*",
            " ",
            "22",
            "7d",
            "é",
            "'",
            ";--",
            "%",
        ),
        *("' OR 1=1 --", "\\", "\0", "\ud800", "10.0.0.0/8", "fe80::1", "2026-11-01", "$1", ":x", "nosuch:1"),
    ]
)
QUERIES = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join))


def context(*, is_sqlite: bool) -> Context:
    """A context at a fixed time, with one site and one tag."""
    some = [ip_network("10.0.0.0/8")]
    labels = {"site": {"office": some}, "tag": {"lab": some}}
    return Context(is_sqlite=is_sqlite, now=1_700_000_000.0, labels=lambda: labels)


@given(QUERIES)
@example("(" * 1900)
@example("-" * 1900 + "a")
@example("a " * 900)
@example("(a" * 600 + ")" * 600)
def test_any_text_parses_or_points_at_where_it_fails(text: str) -> None:
    """A query is read, or refused by one error that names a column of it."""
    column = 1
    try:
        language.parse(text)
    except SearchError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


@given(QUERIES, st.sampled_from(Searchable), st.booleans())
def test_no_query_makes_sql_of_its_own(text: str, target: Searchable, is_sqlite: bool) -> None:
    """What is written in a query reaches the database as bound values only: the statement has no piece of it.

    Break: build a test from `text(f"…{value}…")`.
    """
    marked = text.replace("22", "31337")
    try:
        node = language.parse(marked)
        if node is None:
            return
        asked = compiler.resolve(node, target, context(is_sqlite=is_sqlite))
    except SearchError:
        return
    found = HOMES[TARGETS[target].home]()
    dialect = sqlite.dialect() if is_sqlite else postgresql.dialect()
    statements = [compiler.condition(asked, found, target)]
    if (chosen := compiler.candidates(asked, target, is_sqlite=is_sqlite)) is not None:
        statements.append(chosen)
    for statement in statements:
        sql = str(statement.compile(dialect=dialect))
        assert "31337" not in sql
        assert "1=1" not in sql
        assert ";" not in sql
        assert "--" not in sql


@pytest.mark.parametrize(
    ("query", "message", "column"),
    [
        ("prot:22", "there is no field 'prot', perhaps port; the fields are net, src,", 1),
        ("a  port:x", "'x' is no number", 9),
        ("port:70000", "70000 is not between 0 and 65,535", 6),
        ("port:22 (a OR", "the query ends too early", 14),
        ('port:22 "abc', 'this " has no other', 9),
        ("country:Germany", "'Germany' is not of the form: two letters, such as DE", 9),
        ("finding:bogus", "'bogus' is none of the known: blocklist, cleartext_service, country, ", 9),
        ("-finding:risky", "'risky' is none of the known: ", 10),
        ("protocol:http", "'http' is no transport protocol such as tcp, udp, sctp", 10),
        ("protocol:udp,foo", "'foo' is no transport protocol such as tcp, udp, sctp", 14),
        ("protocol:ip-256", "'ip-256' is no transport protocol", 10),
        ("state:bogus", "write open, unconfirmed or closed", 7),
        ("seen:soon", "'soon' is no time: write an age such as 12h", 6),
        ("net:nowhere", "'nowhere' is no address and no network", 5),
        ("src:10.0.0.1", "src: is a field of connections, not of hosts", 1),
        ("service:>a", "service: has no order", 10),
        ("port:80..22", "80..22 has no numbers: the lower end stands first", 6),
        ("product:a*b", "* stands at the end only", 9),
        ("site:nosuch", "there is no site 'nosuch'; there are office", 6),
        ("cert.selfsigned:perhaps", "write yes or no", 17),
        ("...", "there is no letter and no digit", 1),
        ("a)", "')' is not expected here", 2),
        ("-", "'-' is not expected here", 1),
        ("x" * (LONGEST + 1), "at most 2,000 characters", LONGEST + 1),
        (" ".join(["a"] * 60), "at most 50 terms", 119),
    ],
)
def test_errors_name_what_is_wrong_and_where(query: str, message: str, column: int) -> None:
    """An unknown field names the known ones, a value its column, a field of other rows those rows."""
    with pytest.raises(SearchError) as caught:
        compiler.resolve(language.parse(query), Searchable.HOSTS, context(is_sqlite=True))  # type: ignore[arg-type]
    assert str(caught.value).startswith(message) or message in str(caught.value)
    assert caught.value.column == column


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
@example('the "best", (server)')
@example('"')
@example("80..90")
def test_any_text_can_be_a_value(text: str) -> None:
    """A quoted text is read as it was, whatever it holds, and a term behind it too. Break: the doubled quote in the grammar."""
    tree = language.parse(f"org:{language.quoted(text)} port:22")
    assert isinstance(tree, language.Both)
    first, second = tree.parts
    assert isinstance(first, language.Term)
    assert isinstance(second, language.Term)
    assert (first.field, first.values[0].text, second.field) == ("org", text, "port")


def test_versions_are_compared_part_by_part() -> None:
    """Numbers by value, words before numbers, more parts after fewer."""
    versions = ["1.9", "1.10", "6.6p1", "8.9", "8.9p1", "8.10", "9", "9.0", "10.0.1", "2024.81"]
    assert sorted(versions, key=version_key) == versions


def test_every_field_says_what_it_needs_to() -> None:
    """Each example is a term that parses for what the field applies to."""
    for field in (*FIELDS, WORDS):
        for target in field.places:
            node = language.parse(field.example)
            assert node is not None
            compiler.resolve(node, target, context(is_sqlite=False))


def test_a_query_is_read_in_no_time() -> None:
    """The longest query that is allowed costs less than a second of this process."""
    began = time.process_time()
    language.parse("(" * 20 + " OR ".join(["port:22"] * 50) + ")" * 20)
    assert time.process_time() - began < 1
