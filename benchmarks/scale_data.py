"""A large ledger, made by the database itself: hosts, ports, connections and jobs as a year of use leaves them.

Countries, services, scores and states are uneven, as they are in life: one country has a third of the hosts, one of the
codes that people ask for has none; a tenth of the jobs wait, a few are dead.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import text

from cobalt_tasks.db.engine import Database
from tests.support.recount import recount

# Days back to which things were seen.
_DAYS = 90


class Sizes(NamedTuple):
    """How many rows of each sort."""

    hosts: int
    ports: int
    connections: int
    jobs: int


_SERIES = {
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {end}) ",
    "postgresql": "WITH series(n) AS (SELECT generate_series({first}::bigint, {end}::bigint - 1)) ",
}
# A number that looks random, the same each time: 0 … 2^31 - 1.
_RANDOM = "(({0} * 48271 + 11) % 2147483647)"
_AT_ONCE = 500_000


def _address(number: str) -> str:
    octets = ("(({0} / 1048576) % 64 + 16)", "({0} / 4096 % 256)", "({0} / 16 % 256)", "({0} % 16 * 15 + 1)")
    return " || '.' || ".join(f"CAST({octet} AS text)".format(number) for octet in octets)


def _some(number: str, modulus: str) -> str:
    return f"({_RANDOM.format(number)} % ({modulus}))"


def _key(dialect: str) -> str:
    """Return `hosts.address_key` of host n, as core/addresses.py makes it."""
    number = "((n / 1048576 % 64 + 16) * 16777216 + n / 4096 % 256 * 65536 + n / 16 % 256 * 256 + n % 16 * 15 + 1)"
    digits = f"printf('%08x', {number})" if dialect == "sqlite" else f"lpad(to_hex({number}), 8, '0')"
    return f"'4' || {digits}"


_DERIVED = (
    "INSERT INTO certificate_names (fingerprint, name, reversed) SELECT fingerprint, lower(substr(subject, 4)) || '.example.net', {backwards}(lower(substr(subject, 4)) || '.example.net') FROM certificates",
    "UPDATE hostnames SET reversed = {backwards}(name)",
    (
        "INSERT INTO search_texts (address, protocol, port, body) SELECT address, protocol, port, "
        "lower(service || ' ' || product || ' ' || replace(version, '.', ' ') || ' ' || coalesce(replace(replace(banner, '/', ' '), '.', ' '), '')) FROM ports WHERE service IS NOT NULL AND product IS NOT NULL"
    ),
    "INSERT INTO search_texts (address, protocol, port, body) SELECT address, '', 0, replace(max(name), '.', ' ') FROM hostnames GROUP BY address",
)
"""What the program derives from facts for the search."""


def _tables(sizes: Sizes, now: float, clock: str, key: str) -> list[tuple[str, int, str, str, str]]:
    """Return (table, rows, columns, values, conflict) for each; `n` is the number of a row."""
    host, spread = _address("n"), f"({_DAYS} * 86400.0)"
    some_host = _address(_some("n", str(sizes.hosts)))
    age = f"({_RANDOM.format('n')} / 2147483647.0 * {spread})"
    country = (
        "CASE WHEN n % 3 = 0 THEN 'US' WHEN n % 97 = 0 THEN 'NL' WHEN n % 50021 = 0 THEN 'MT' WHEN n % 11 = 0 THEN NULL "
        "ELSE substr('DEFRGBITESPLSECNJPBR', 1 + 2 * CAST(n % 10 AS integer), 2) END"
    )
    # The ports beyond one for each host go to the first hosts.
    of_port = _address(f"(n % {sizes.hosts})")
    port = f"(CASE WHEN n % 2 = 0 THEN 443 WHEN n % 5 = 0 THEN 22 ELSE 1 + {_some('n', '65000')} END)"
    service = "CASE WHEN n % 2 = 0 THEN 'https' WHEN n % 5 = 0 THEN 'ssh' WHEN n % 7 = 0 THEN 'http' END"
    protocol = "CASE WHEN n % 5000 = 4999 THEN 'udp' ELSE 'tcp' END"
    product = "CASE WHEN n % 2 = 0 THEN CASE WHEN n % 3 = 0 THEN 'Apache httpd' ELSE 'nginx' END WHEN n % 5 = 0 THEN 'OpenSSH' END"
    version = "CASE WHEN n % 2 = 0 THEN '1.' || (n / 10 % 30) || '.' || (n / 300 % 7) WHEN n % 5 = 0 THEN (6 + n / 10 % 4) || '.' || (n / 40 % 10) || 'p1' END"
    banner = "CASE WHEN n % 30011 = 0 THEN 'Welcome to the Pear appliance' WHEN n % 10 = 0 THEN 'HTTP/1.1 200 OK' END"
    kind = "CASE n % 4 WHEN 0 THEN 'banner' WHEN 1 THEN 'domain' WHEN 2 THEN 'geolocation' ELSE 'certificate' END"
    state = (
        "CASE WHEN n % 10 = 9 THEN CASE WHEN n % 1000 = 9 THEN 'sent' ELSE 'pending' END "
        "WHEN n % 7 = 0 THEN 'failed' WHEN n % 9973 = 0 THEN 'dead' ELSE 'done' END"
    )
    ended = "n % 10 <> 9"
    arrived = f"({now} - ({sizes.connections} - n) * {spread} / {sizes.connections})"
    # The last fiftieth came within the last quarter of an hour: a thousand a second and more.
    arrived = f"CASE WHEN n * 50 > {sizes.connections} * 49 THEN {now} - ({sizes.connections} - n) * 900.0 * 50 / {sizes.connections} ELSE {arrived} END"
    return [
        ("sources", 100, "id, name, read, accepted, created_at, updated_at", f"n + 1, 'source ' || n, 1000, 1000, {now}, {now} - n", ""),
        ("rejects", sizes.hosts // 20, "source_id, position, reason, line, arrived_at", f"1 + n % 90, n * 100, 'no JSON', {clock}, {now}", ""),
        ("hosts", sizes.hosts, "address, first_seen, last_seen, discovered, address_key", f"{host}, {now} - {spread}, CASE WHEN n % 2 = 0 THEN {now} - 86400 ELSE {now} - {age} END, n % 2 = 0, {key}", ""),
        ("ports", sizes.ports, "address, protocol, port, first_seen, last_seen, service, product, version, banner", f"{of_port}, {protocol}, {port}, {now} - {age}, {now} - {age} / 2, {service}, {product}, {version}, {banner}", "ON CONFLICT DO NOTHING"),
        ("locations", sizes.hosts, "address, country_code, latitude, longitude, asn, organisation, city, provider, fetched_at", f"{host}, {country}, CASE WHEN n % 11 = 0 THEN NULL ELSE 52.0 + n % 100 / 10.0 END, 4.0 + n % 70, 64496 + n % 1000, 'Organisation ' || (n % 1000), 'City ' || (n % 5000), 'mmdb', {now} - {age}", ""),
        ("hostnames", sizes.hosts // 2, "address, name, source, confirmed, first_seen, last_seen", f"{host}, 'host' || (n % 400000) || '.example.com', 'ptr', n % 2 = 0, {now} - {age}, {now} - {age} / 2", ""),
        ("scores", sizes.hosts, "address, score, rule_version, scored_at", f"{host}, CASE WHEN n % 3 = 1 THEN n % 10 / 10.0 ELSE 0.0 END, 'old', {now} - {age}", ""),
        ("findings", sizes.hosts // 3, "address, rule, subject, points, source, observed_at, detail, rule_version", f"{_address('(n * 3 + 1)')}, 'risky_port', 'tcp/22', 0.3, 'scan', {now} - {age}, 'tcp/22 is open', 'old'", ""),
        ("certificates", sizes.hosts // 10, "fingerprint, der, subject, issuer, serial, not_before, not_after, self_signed, names", f"'f' || n, {clock}, 'CN=host' || n, 'CN=ca', '1', 0.0, {now} + {age}, n % 5 = 0, '[\"a.example\"]'", ""),
        ("sightings", sizes.hosts // 5, "address, protocol, port, fingerprint, source, first_seen, last_seen", f"{_address('(n * 2)')}, 'tcp', 443, 'f' || (n % {max(1, sizes.hosts // 10)}), 'probe', {now} - {age}, {now} - {age} / 2", ""),
        ("banners", sizes.hosts // 5, "address, protocol, port, source, digest, service, text, raw, first_seen, last_seen", f"{_address('(n * 2)')}, 'tcp', 443, 'probe', 'd' || n, 'https', 'HTTP/1.1 200', {clock}, {now} - {age}, {now} - {age} / 2", ""),
        ("freshness", sizes.hosts * 2, "kind, address, protocol, port, fresh_until, paused_until", f"CASE n % 2 WHEN 0 THEN 'domain' ELSE 'geolocation' END, {_address('(n / 2)')}, '', 0, CASE WHEN n % 13 = 0 THEN NULL WHEN n % 17 = 0 THEN {now} - {age} ELSE {now} + {age} / 100 END, CASE WHEN n % 13 = 0 OR n % 34 = 0 THEN {now} + {age} / 2400 END", ""),
        ("observations", sizes.connections, "source_id, observed_at, arrived_at, src_ip, src_port, dst_ip, dst_port, protocol, process", f"1 + n % 90, {arrived}, {arrived}, {_address(f'(n % {max(1, sizes.hosts // 100)})')}, 40000, {some_host}, {port}, {protocol}, CASE WHEN n % 10007 = 0 THEN 'backup' WHEN n % 4 = 0 THEN 'firefox' END", ""),
        ("jobs", sizes.jobs, "kind, address, protocol, port, level, state, forced, waits_for, isolated, attempts, not_before, created_at, sent_at, started_at, finished_at, outcome", f"{kind}, {_address(f'(n % {sizes.hosts})')}, CASE WHEN n % 4 IN (0, 3) THEN 'tcp' ELSE '' END, CASE WHEN n % 4 IN (0, 3) THEN 443 ELSE 0 END, CASE n % 4 WHEN 0 THEN 1 WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END, {state}, n % 50 = 0, CASE WHEN n % 20 = 19 AND n % 4 = 2 THEN 'quota' END, n % 50 = 1, 0, {now} - 100 - {age} / 10, {now} - {age}, CASE WHEN n % 10 = 9 THEN {now} - 1 END, CASE WHEN {ended} THEN {now} - {age} - 1 END, CASE WHEN {ended} THEN CASE WHEN n > {sizes.jobs} * 0.97 THEN {now} - 55 * ({sizes.jobs} - n) / ({sizes.jobs} * 0.03) ELSE {now} - 60 - {age} / 4 END END, CASE WHEN {ended} THEN 'any' END", "ON CONFLICT DO NOTHING"),
    ]  # fmt: skip


def fill(database: Database, sizes: Sizes, now: float, only: Collection[str] = ()) -> dict[str, int]:
    """Fill an empty ledger; return the rows of each table.

    database: the ledger; sizes: rows of each sort; now: epoch seconds, as of when; only: tables that are filled, without what
    the search needs; empty: all.
    """
    dialect = "sqlite" if database.is_sqlite else "postgresql"
    nothing = "x''" if database.is_sqlite else "'\\x'::bytea"
    filled = {}
    for table, rows, columns, values, conflict in _tables(sizes, now, nothing, _key(dialect)):
        if only and table not in only:
            continue
        for first in range(0, rows, _AT_ONCE):
            series = _SERIES[dialect].format(first=first, end=min(rows, first + _AT_ONCE))
            statement = f"INSERT INTO {table} ({columns}) {series} SELECT {values} FROM series WHERE true {conflict}"
            with database.writing() as connection:
                connection.exec_driver_sql(statement if database.is_sqlite else statement.replace("%", "%%"))
        filled[table] = rows
    if not only:
        _derive(database)
    # The writers of the program count what they insert.
    database.write(recount)
    if not database.is_sqlite:
        # As autovacuum does. Nothing does so on SQLite, whose plans need no statistics.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    return filled


def _derive(database: Database) -> None:
    """Add what the search needs beside the facts."""
    from cobalt_tasks.hosts.search import texts

    with database.writing() as connection:
        if database.is_sqlite:
            raw: Any = connection.connection.driver_connection
            raw.create_function("reverse", 1, lambda name: name[::-1], deterministic=True)
        for statement in _DERIVED:
            connection.exec_driver_sql(statement.format(backwards="reverse"))
        versions = connection.exec_driver_sql("SELECT DISTINCT version FROM ports").scalars().all()
        texts.add_versions(connection, versions)
