"""Records of local databases, in every publisher's layout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.local.layouts import read

RECORDS = {
    "MaxMind GeoLite2-City": (
        {
            "city": {"names": {"en": "Sampleton", "de": "Beispielstadt"}},
            "country": {"iso_code": "DE", "names": {"en": "Germany"}},
            "location": {"latitude": 1.5, "longitude": 2.5, "time_zone": "Europe/Berlin", "accuracy_radius": 20},
            "subdivisions": [{"iso_code": "BY", "names": {"en": "Bavaria"}}, {"names": {"en": "Upper Bavaria"}}],
        },
        Location(
            country_code="DE",
            country_name="Germany",
            region="Bavaria",
            city="Sampleton",
            latitude=1.5,
            longitude=2.5,
            timezone="Europe/Berlin",
        ),
    ),
    "MaxMind, only registered": (
        {"registered_country": {"iso_code": "AU", "names": {"en": "Australia"}}},
        Location(country_code="AU", country_name="Australia"),
    ),
    "GeoLite2-ASN and DB-IP ASN Lite": (
        {"autonomous_system_number": 64496, "autonomous_system_organization": "Example Net"},
        Location(asn=64496, organisation="Example Net"),
    ),
    "DB-IP City Lite": (
        {
            "city": {"names": {"en": "Sampleton"}},
            "continent": {"code": "EU"},
            "country": {"is_in_european_union": True, "iso_code": "DE", "names": {"en": "Germany"}},
            "location": {"latitude": 1.5, "longitude": 2.5},
            "subdivisions": [{"names": {"en": "Bavaria"}}],
        },
        Location(
            country_code="DE", country_name="Germany", region="Bavaria", city="Sampleton", latitude=1.5, longitude=2.5
        ),
    ),
    "ip-location-db city": (
        {
            "city": "Sampleton",
            "country_code": "DE",
            "latitude": 37.422000885009766,
            "longitude": -122.08499908447266,
            "postcode": "",
            "state1": "Bavaria",
            "state2": "",
            "timezone": "",
        },
        Location(
            country_code="DE",
            country_name="Germany",
            region="Bavaria",
            city="Sampleton",
            latitude=37.422,
            longitude=-122.085,
        ),
    ),
    "ip-location-db country": ({"country_code": "US"}, Location(country_code="US", country_name="United States")),
    "IPinfo Lite": (
        {
            "as_domain": "example.net",
            "as_name": "Example Net",
            "asn": "AS64496",
            "continent": "Europe",
            "country": "Germany",
            "country_code": "DE",
        },
        Location(country_code="DE", country_name="Germany", asn=64496, organisation="Example Net"),
    ),
}


@pytest.mark.parametrize("layout", RECORDS)
def test_every_layout_is_understood(layout: str) -> None:
    """A record of each publisher becomes the place it describes."""
    record, place = RECORDS[layout]
    assert read(record) == place


KEYS = st.sampled_from(
    ["country", "country_code", "city", "names", "en", "location", "latitude", "subdivisions", "asn"]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)))
def test_no_record_breaks_the_reader(record: object) -> None:
    """A record of any shape gives a place, if an empty one."""
    assert isinstance(read(record), Location)
