"""The normal form: what may be believed of what others say about an address."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.countries import country_name
from cobalt_tasks.geolocation.location import FIELDS, combined, location_of, words

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
RAW = ("country_code", "country", "region", "city", "latitude", "longitude", "timezone", "asn", "organisation", "isp")


@given(st.fixed_dictionaries(dict.fromkeys(RAW, ANYTHING)))
def test_whatever_is_said_a_place_holds_only_what_it_may(said: dict[str, object]) -> None:
    """Wrong types, NaN, NUL and numbers out of range never get in."""
    found = location_of(**said)
    assert (found.latitude is None) == (found.longitude is None)
    assert found.latitude is None or (-90 <= found.latitude <= 90 and -180 <= found.longitude <= 180)  # type: ignore[operator]
    assert (found.latitude, found.longitude) != (0.0, 0.0)
    assert found.asn is None or 0 < found.asn < 2**32
    assert found.country_code is None or (len(found.country_code) == 2 and found.country_code.isupper())
    for name in FIELDS:
        value = getattr(found, name)
        assert not isinstance(value, str) or (value and value.replace("\n", "").replace("\t", "").isprintable())


@pytest.mark.parametrize(
    ("raw", "number", "name"),
    [
        (64496, 64496, None),
        ("64496", 64496, None),
        ("AS64496 Example Net", 64496, "Example Net"),
        ("AS64496", 64496, None),
        ("", None, None),
        (0, None, None),
        (True, None, None),
        (2**32, None, None),
        ("ASX", None, None),
    ],
)
def test_a_network_number_in_every_spelling(raw: object, number: int | None, name: str | None) -> None:
    """The number is a number, the name beside it becomes the organisation."""
    found = location_of(asn=raw)
    assert (found.asn, found.organisation) == (number, name)


@pytest.mark.parametrize("pair", [(0, 0), (0.0, -0.0), (None, 5.0), (91, 0), (5.0, "east"), (float("nan"), 1.0)])
def test_coordinates_come_in_pairs_or_not_at_all(pair: tuple[object, object]) -> None:
    """0,0 means unknown, and half a pair means nothing."""
    found = location_of(latitude=pair[0], longitude=pair[1])
    assert (found.latitude, found.longitude) == (None, None)


def test_the_equator_is_a_place() -> None:
    """An exact zero in one of the two is kept."""
    found = location_of(latitude=0, longitude="9.45")
    assert (found.latitude, found.longitude) == (0.0, 9.45)


def test_code_and_name_of_a_country_are_two_things() -> None:
    """A source that has only the code gets the name from the table; an unknown code has none."""
    assert location_of(country_code="de").country_name == "Germany"
    assert location_of(country_code="DE", country="Deutschland").country_name == "Deutschland"
    assert location_of(country_code="QX") == Location(country_code="QX")
    assert location_of(country_code="Germany").country_code is None


def test_every_country_has_one_name() -> None:
    """The table covers ISO 3166-1, and no name is there twice."""
    codes = [a + b for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    names = [name for code in codes if (name := country_name(code))]
    assert len(names) == 250
    assert len(set(names)) == 250


def test_what_one_source_leaves_open_comes_from_the_next_and_says_so() -> None:
    """The first source wins, the others fill in, and each field knows where it came from."""
    location = combined(
        "198.51.100.7",
        [
            ("ip-api", Location(country_code="DE", country_name="Germany")),
            ("mmdb:city", Location(country_code="DE", city="Munich", latitude=48.1, longitude=11.5)),
            ("mmdb:asn", Location(asn=64496, organisation="Example")),
        ],
        fetched_at=1.0,
    )
    assert (location.provider, location.city, location.latitude, location.asn) == ("ip-api", "Munich", 48.1, 64496)
    assert json.loads(location.sources or "") == {
        "city": "mmdb:city",
        "latitude": "mmdb:city",
        "longitude": "mmdb:city",
        "asn": "mmdb:asn",
        "organisation": "mmdb:asn",
    }


def test_a_city_of_another_country_is_not_added() -> None:
    """Two sources that disagree on the country are not mixed into a place that does not exist."""
    location = combined(
        "198.51.100.7",
        [
            ("ip-api", Location(country_code="DE")),
            ("mmdb", Location(country_code="FR", city="Paris", latitude=48.8, longitude=2.3)),
        ],
        fetched_at=1.0,
    )
    assert (location.city, location.latitude, location.sources) == (None, None, None)


def test_the_name_of_another_network_is_not_added() -> None:
    """An organisation belongs to its number."""
    location = combined(
        "198.51.100.7",
        [("ip-api", Location(country_code="DE", asn=64496)), ("mmdb", Location(asn=64497, organisation="Other"))],
        fetched_at=1.0,
    )
    assert (location.asn, location.organisation) == (64496, None)


def test_hostile_text_becomes_text() -> None:
    """Controls are shown, not obeyed, and length has an end."""
    assert words("a\x00b\x1b[31m") == "a\\x00b\\x1b[31m"
    assert words(" ") is None
    assert len(words("x" * 10_000) or "") == 200
