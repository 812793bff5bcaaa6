"""Messages of DNS are written and read as dnspython does, and what is no answer is refused."""

import dns.flags
import dns.message
import dns.name
import dns.reversename
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.protocols.dns_messages import Labels, RecordType, parse, query, question, reverse_name

PTR = question(reverse_name("192.0.2.10"), RecordType.PTR)
ADDRESS = question((b"www", b"example", b"com"), RecordType.A)


def answer(asked: bytes, *answers: str, code: int = 0, authority: str | None = None, flags: int = 0) -> bytes:
    """Return an answer that dnspython writes; records as in a zone file."""
    made = dns.message.make_response(dns.message.from_wire(query(7, asked)))
    made.answer = [dns.rrset.from_text(*line.split(" ", 4)[:2], *line.split(" ", 4)[2:]) for line in answers]
    if authority:
        made.authority = [dns.rrset.from_text(*authority.split(" ", 4))]
    made.flags |= flags
    made.set_rcode(code)
    return made.to_wire()


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::10"])
def test_questions_are_read_by_others(address: str) -> None:
    """A question for the names of an address is the one dnspython would ask."""
    read = dns.message.from_wire(query(7, question(reverse_name(address), RecordType.PTR)))
    expected = dns.message.make_query(dns.reversename.from_address(address), "PTR", id=7)
    assert read.to_wire() == expected.to_wire()


def test_names_and_addresses_are_read() -> None:
    """Several names, with the smallest time to live."""
    own = "10.2.0.192.in-addr.arpa."
    found = parse(answer(PTR, f"{own} 60 IN PTR a.example.com.", f"{own} 60 IN PTR b.example.com."), PTR)
    assert found is not None
    assert (set(found.names), found.ttl) == ({(b"a", b"example", b"com"), (b"b", b"example", b"com")}, 60)
    found = parse(answer(ADDRESS, "www.example.com. 60 IN A 192.0.2.1"), ADDRESS)
    assert found is not None
    assert found.addresses == ("192.0.2.1",)


def test_aliases_are_followed() -> None:
    """RFC 2317: the names of an address may stand behind a CNAME; records of other names do not count."""
    message = answer(
        PTR,
        "10.2.0.192.in-addr.arpa. 30 IN CNAME 10.0/25.2.0.192.in-addr.arpa.",
        "10.0/25.2.0.192.in-addr.arpa. 60 IN PTR a.example.com.",
        "11.2.0.192.in-addr.arpa. 5 IN PTR other.example.com.",
    )
    found = parse(message, PTR)
    assert found is not None
    assert (found.names, found.ttl) == (((b"a", b"example", b"com"),), 30)


def test_a_circle_of_aliases_ends() -> None:
    """It has no names."""
    own = "10.2.0.192.in-addr.arpa."
    found = parse(answer(PTR, f"{own} 30 IN CNAME {own}"), PTR)
    assert found is not None
    assert found.names == ()


def test_negative_answers_have_their_time() -> None:
    """RFC 2308: the smaller of the SOA's time to live and its last field."""
    soa = "2.0.192.in-addr.arpa. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 300"
    found = parse(answer(PTR, code=3, authority=soa), PTR)
    assert found is not None
    assert (found.code, found.names, found.ttl) == (3, (), 300)


def test_other_answers() -> None:
    """A truncated one, one that the server cannot give, and one to another question."""
    cut = parse(answer(PTR, flags=dns.flags.TC), PTR)
    assert cut is not None
    assert cut.truncated
    broken = parse(answer(PTR, code=2), PTR)
    assert broken is not None
    assert broken.code == 2
    assert parse(answer(ADDRESS), PTR) is None
    assert parse(query(7, PTR), PTR) is None


def test_names_that_are_too_long_are_not_asked_for() -> None:
    """Of labels and of whole names."""
    for name in ((b"a" * 64,), (b"a" * 63,) * 4, (b"", b"com")):
        with pytest.raises(ValueError, match="no name"):
            question(name, RecordType.A)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_none(tail: bytes) -> None:
    """Nothing raises, whatever follows the question, and no name is longer than a name can be."""
    for head in (b"", answer(PTR)[:12] + PTR, b"\x00\x07\x81\x80\x00\x01\x00\x03\x00\x01\x00\x00" + PTR):
        found = parse(head + tail, PTR)
        if found is not None:
            assert all(sum(map(len, name)) <= 255 for name in found.names)


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5))
def test_names_are_read_as_they_were_written(labels: list[bytes]) -> None:
    """Any bytes may be in a label."""
    name: Labels = tuple(labels)
    made = dns.message.make_response(dns.message.from_wire(query(7, PTR)))
    pointer = dns.rrset.from_text("10.2.0.192.in-addr.arpa.", 60, "IN", "PTR", dns.name.Name([*name, b""]).to_text())
    made.answer = [pointer]
    found = parse(made.to_wire(), PTR)
    assert found is not None
    assert [tuple(label.lower() for label in each) for each in found.names] == [tuple(label.lower() for label in name)]
