"""Searches on both databases, beside a program that reads the exported tables and knows nothing of the search."""

import io
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import literal, select, text

from cobalt_tasks.cli import cobalt
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import compiler, find, language, texts
from cobalt_tasks.hosts.search.facets import count
from cobalt_tasks.hosts.search.fields import BY_NAME, FIELDS, WORDS, Searchable
from cobalt_tasks.hosts.search.rows import HOMES, holder
from cobalt_tasks.hosts.search.values import Context, OfCertificate
from cobalt_tasks.views import search as views
from cobalt_tasks.views.export import export
from cobalt_tasks.views.page_marks import PageMarkError
from tests.integration.search.conftest import DAY

Row = Mapping[str, Any]


class Tables:
    """What `cobalt export` wrote, and what belongs to a row of it."""

    def __init__(self, database: Database) -> None:
        """Export every table."""
        self.rows: dict[str, list[Row]] = {}
        for table in ("hosts", "ports", "connections", "certificates", "hostnames"):
            output = io.StringIO()
            export(database, table, "ndjson", output)
            self.rows[table] = [json.loads(line) for line in output.getvalue().splitlines()]
        self.host = {row["address"]: row for row in self.rows["hosts"]}

    def of(self, table: str, **key: object) -> list[Row]:
        """The rows of a table with these values."""
        return [row for row in self.rows[table] if all(row[name] == value for name, value in key.items())]

    def ports(self, host: str) -> list[Row]:
        """The ports of a host that are not closed."""
        return self.of("ports", address=host, closed_since=None)

    def shown(self, host: str) -> list[Row]:
        """The certificates of a host, without those of closed ports."""
        closed = {(port["protocol"], port["port"]) for port in self.of("ports", address=host) if port["closed_since"]}
        return [row for row in self.of("certificates", address=host) if (row["protocol"], row["port"]) not in closed]

    def far_ports(self, row: Row) -> list[Row]:
        """The port that a connection went to, if it is known and not closed."""
        return self.of(
            "ports", address=row["dst_ip"], protocol=row["protocol"], port=row["dst_port"], closed_since=None
        )


def seconds(moment: str) -> float:
    """Epoch seconds."""
    return datetime.fromisoformat(moment).timestamp()


def age(moment: str) -> float:
    """Days since a moment."""
    return (time.time() - seconds(moment)) / DAY


def inside(address: str, network: str) -> bool:
    """Whether an address lies in a network."""
    return ip_address(address) in ip_network(network)


def older(version: str | None, than: tuple[int, ...]) -> bool:
    """Whether the numbers of a version come before others."""
    return version is not None and tuple(int(part) for part in version.replace("p", ".").split(".")) < than


def any_port(check: Callable[[Row], Any]) -> Callable[[Tables, Row], bool]:
    """Whether a port of a host is so."""
    return lambda tables, host: any(check(port) for port in tables.ports(host["address"]))


HOSTS: dict[str, Callable[[Tables, Row], Any]] = {
    "port:22": any_port(lambda port: port["port"] == 22),
    "port:22 product:openssh version:<9 country:DE": lambda tables, host: host["country_code"] == "DE" and any(
        port["port"] == 22 and port["product"] == "OpenSSH" and older(port["version"], (9,)) for port in tables.ports(host["address"])
    ),
    "net:10.0.1.0/24,2001:db8::/32": lambda _, host: inside(host["address"], "10.0.1.0/24") or inside(host["address"], "2001:db8::/32"),
    "-service:http seen:<7d": lambda tables, host: age(host["last_seen"]) < 7 and not any_port(lambda port: port["service"] == "http")(tables, host),
    "name:*.example.com OR name:MAIL.test": lambda _, host: any(name.lower().endswith(".example.com") or name.lower() == "mail.test" for name in host["names"]),
    "score:>=0.5 asn:64496..64497": lambda _, host: (host["score"] or 0) >= 0.5 and host["asn"] in {64496, 64497},
    "cert.expires:<10d -cert.selfsigned:yes": lambda tables, host: (
        any(seconds(seen["not_after"]) < time.time() + 10 * DAY for seen in tables.shown(host["address"]))
        and not any(seen["self_signed"] for seen in tables.shown(host["address"]))
    ),
    'city:"new york" (service:ssh OR port:1..100)': lambda tables, host: host["city"] == "New York" and any_port(
        lambda port: port["service"] == "ssh" or port["port"] <= 100
    )(tables, host),
    '"apache httpd" org:"Network 3320, Inc."': lambda tables, host: host["organisation"] == "Network 3320, Inc." and any(
        "apache httpd" in f"{port['product']} {port['banner']}".lower() for port in tables.ports(host["address"])
    ),
    '"apache httpd" state:closed': lambda tables, host: (
        any(port["closed_since"] for port in tables.of("ports", address=host["address"]))
        and any("apache httpd" in f"{port['product']} {port['banner']}".lower() for port in tables.of("ports", address=host["address"]))
    ),
    "NOT (country:DE OR country:NL) protocol:udp": lambda tables, host: (
        host["country_code"] not in {"DE", "NL"} and any_port(lambda port: port["protocol"] == "udp")(tables, host)
    ),
    "port:22 state:closed": lambda tables, host: any(port["port"] == 22 and port["closed_since"] for port in tables.of("ports", address=host["address"])),
    "-port:443 state:unconfirmed": lambda tables, host: not any_port(lambda port: port["port"] == 443)(tables, host) and any_port(
        lambda port: port["unconfirmed_since"]
    )(tables, host),
}  # fmt: skip
PORTS: dict[str, Callable[[Tables, Row], Any]] = {
    "service:https,http": lambda _, port: port["service"] in {"http", "https"},
    "version:>=1.10 product:nginx": lambda _, port: port["product"] == "nginx" and not older(port["version"], (1, 10)),
    "product:open* country:US": lambda tables, port: (
        (port["product"] or "").lower().startswith("open") and tables.host[port["address"]]["country_code"] == "US"
    ),
    "-port:22 -port:443 opened:>2d": lambda _, port: port["port"] not in {22, 443} and age(port["first_seen"]) > 2,
    "cert.issuer:CN=CA*": lambda tables, port: tables.of("certificates", address=port["address"], protocol=port["protocol"], port=port["port"]),
    "state:closed": lambda _, port: port["closed_since"],
    "nginx": lambda _, port: "nginx" in f"{port['product']} {port['banner']}".lower(),
    "state:closed nginx": lambda _, port: port["closed_since"] and "nginx" in f"{port['product']} {port['banner']}".lower(),
    "-state:open country:DE,NL": lambda tables, port: port["unconfirmed_since"] and tables.host[port["address"]]["country_code"] in {"DE", "NL"},
}  # fmt: skip
CONNECTIONS: dict[str, Callable[[Tables, Row], Any]] = {
    "src:10.0.0.0/16 port:443": lambda _, row: inside(row["src_ip"], "10.0.0.0/16") and row["dst_port"] == 443,
    "process:fire* -protocol:tcp": lambda _, row: (row["process"] or "").lower().startswith("fire") and row["protocol"] != "tcp",
    "service:ssh country:DE": lambda tables, row: row["dst_country_code"] == "DE" and any(port["service"] == "ssh" for port in tables.far_ports(row)),
    "nginx": lambda tables, row: any("nginx" in f"{port['product']} {port['banner']}".lower() for port in tables.far_ports(row)),
}  # fmt: skip
CERTIFICATES: dict[str, Callable[[Tables, Row], Any]] = {
    "cert.name:*1.example.com": lambda _, row: any(fnmatchcase(name.lower(), "*1.example.com") for name in row["names"]),
    "cert.subject:CN=www1* port:8443 score:>0": lambda tables, row: (
        row["subject"].lower().startswith("cn=www1") and row["port"] == 8443 and (tables.host[row["address"]]["score"] or 0) > 0
    ),
}  # fmt: skip
QUERIES = {
    Searchable.HOSTS: HOSTS,
    Searchable.PORTS: PORTS,
    Searchable.CONNECTIONS: CONNECTIONS,
    Searchable.CERTIFICATES: CERTIFICATES,
}
KEYS = {
    Searchable.HOSTS: ("address",),
    Searchable.PORTS: ("address", "protocol", "port"),
    Searchable.CONNECTIONS: ("id",),
    Searchable.CERTIFICATES: ("address", "protocol", "port", "fingerprint"),
}


def found(database: Database, query: str, target: Searchable, limit: int = 500) -> list[Row]:
    """All rows that match, page by page."""
    rows: list[Row] = []
    mark: str | None = None
    while True:
        page = views.page(database, find.read(database, query, target), limit, mark)
        rows += page["items"]
        if (mark := page["next"]) is None:
            return rows


def test_twenty_queries_give_what_the_exported_tables_say(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each query the rows, their number, and the rows of an export are those an independent program finds.

    Each is found in both ways, through the order and through an index. Break: leave out a term when terms are joined.
    """
    tables = Tables(ledger)
    for target, queries in QUERIES.items():
        for query, check in queries.items():
            rows = tables.rows[target]
            if target is Searchable.PORTS and "state:" not in query:
                rows = [row for row in rows if row["closed_since"] is None]
            wanted = {tuple(row[name] for name in KEYS[target]) for row in rows if check(tables, row)}
            assert wanted, f"{query} finds nothing"
            assert len(wanted) < len(tables.rows[target]), f"{query} finds everything"
            for few in (0, 10**9):
                monkeypatch.setattr(find, "_FEW", few)
                monkeypatch.setattr(find, "_WALKED", (10, 50))
                rows = [tuple(row[name] for name in KEYS[target]) for row in found(ledger, query, target)]
                assert sorted(rows) == sorted(wanted), f"{target}: {query}"
            with find.searching(ledger) as connection:
                assert count(connection, find.read(ledger, query, target)).count == len(wanted)
            output = io.StringIO()
            assert export(ledger, target, "ndjson", output, find.read(ledger, query, target)) == len(wanted)
            exported = {
                tuple(json.loads(line)[name] for name in KEYS[target]) for line in output.getvalue().splitlines()
            }
            assert exported == wanted


@pytest.mark.parametrize("query", ["", "country:DE,NL", "-service:http", "score:>=0.3 OR port:22"])
def test_pages_follow_each_other(ledger: Database, query: str) -> None:
    """However long the pages are, together they are the whole, in order, each row once. Break: `<=` behind the mark."""
    for target in Searchable:
        whole = found(ledger, query, target)
        assert len(whole) > 4
        # Some thirty pages where there are many rows, whose last one is short.
        assert found(ledger, query, target, max(4, len(whole) // 31)) == whole
    times = [row["last_seen"] for row in found(ledger, query, Searchable.HOSTS)]
    assert times == sorted(times, reverse=True)


def test_a_mark_of_elsewhere_is_refused(ledger: Database) -> None:
    """A mark that no page of this search ended with is an error, not a page."""
    ports = views.page(ledger, find.read(ledger, "", Searchable.PORTS), 1)["next"]
    for mark in (ports, "x", "%%", "W10", "bnVsbA"):
        with pytest.raises(PageMarkError):
            views.page(ledger, find.read(ledger, "", Searchable.HOSTS), 1, mark)


def test_facets_count_each_row_once(ledger: Database) -> None:
    """Facets are those of the matching rows: a host with two ports of one service counts once."""
    tables = Tables(ledger)
    query = find.read(ledger, "country:DE,NL", Searchable.HOSTS)
    counted = views.facets(ledger, query, ["country", "service", "port"])
    hosts = [row for row in tables.rows["hosts"] if row["country_code"] in {"DE", "NL"}]
    assert (counted.total.count, counted.total.exact) == (len(hosts), True)
    by_country = {each.value: each.count for each in counted.facets["country"]}
    assert by_country == {code: sum(1 for host in hosts if host["country_code"] == code) for code in ("DE", "NL")}
    services = {each.value: each.count for each in counted.facets["service"]}
    with_ssh = sum(any(port["service"] == "ssh" for port in tables.ports(host["address"])) for host in hosts)
    assert services["ssh"] == with_ssh


def test_counts_beyond_the_limit_say_so(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """More matches than are counted are reported as at least so many."""
    monkeypatch.setattr("cobalt_tasks.hosts.search.facets.EXACT", 50)
    query = find.read(ledger, "", Searchable.HOSTS)
    assert views.count(ledger, query).exact is False
    assert views.facets(ledger, query, ["country"]).total.exact is False
    shown = CliRunner().invoke(cobalt, ["search", "--count"])
    assert shown.output == "at least 50\n"


def test_free_text_follows_the_facts(ledger: Database) -> None:
    """A text that changes is found by its new words, and no more by its old ones, after the next round."""
    before = found(ledger, '"hello 3"', Searchable.PORTS)
    assert before
    with ledger.writing() as connection:
        connection.execute(text("UPDATE ports SET banner = 'Grüße vom Gerät'"))
        texts.enqueue(connection, {row["address"] for row in before})
        assert texts.queued(connection) == len({row["address"] for row in before})
    texts.index(ledger, 30)
    assert found(ledger, '"hello 3"', Searchable.PORTS) == []
    assert len(found(ledger, '"GRÜSSE"', Searchable.PORTS)) == 0
    assert len(found(ledger, "grüß*", Searchable.PORTS)) >= len(before)


def test_every_field_has_an_index(ledger: Database) -> None:
    """The plan of a term alone names the index of its field, for every sort of rows. Break: drop that index."""
    with ledger.reading() as connection:
        if not ledger.is_sqlite:
            # The sample is small: a planner would rather read it whole.
            for way in ("seqscan", "hashjoin", "mergejoin"):
                connection.execute(text(f"SET LOCAL enable_{way} = off"))
        for field in (*FIELDS, WORDS):
            for target in field.places:
                plan = plan_of(ledger, connection, field.example, target)
                for index in indexes_of(field, target, is_sqlite=ledger.is_sqlite):
                    assert index in plan, f"{target}: {field.example}\n{plan}"
        for query, index in (
            ("name:www.test", "ix_hostnames_folded_name"),
            ("cert.name:a.test", "ix_certificate_names_name"),
        ):
            assert index in plan_of(ledger, connection, query, Searchable.HOSTS)


def plan_of(database: Database, connection: Any, query: str, target: Searchable) -> str:
    """The plan of the select that an index serves."""
    labels = {"site": {"office": [ip_network("10.0.0.0/8")]}, "tag": {"lab": [ip_network("10.0.0.0/8")]}}
    context = Context(is_sqlite=database.is_sqlite, now=time.time(), labels=lambda: labels)
    node = language.parse(query)
    assert node is not None
    asked = compiler.resolve(node, target, context)
    chosen = compiler.candidates(asked, target, is_sqlite=database.is_sqlite)
    if not database.is_sqlite and not query.startswith(("src:", "dst:")):
        # A planner that knows how small the sample is joins it in another order: here, the home of the fact alone.
        chosen = alone(asked, node, target, context)
    assert chosen is not None
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    compiled = chosen.compile(connection.engine, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params()
    parameters = tuple(values[name] for name in compiled.positiontup) if compiled.positiontup else values
    plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + str(compiled), parameters))
    if not database.is_sqlite:
        # A part of the connections has indexes of its own: each is named as the one it belongs to.
        for own, whole in connection.execute(text(_PARTS_OF_INDEXES)):
            plan = plan.replace(own, whole)
    return plan


_PARTS_OF_INDEXES = """
    SELECT part.relname, whole.relname FROM pg_inherits
    JOIN pg_class part ON part.oid = inhrelid JOIN pg_class whole ON whole.oid = inhparent WHERE part.relkind = 'i'
"""


def alone(asked: Any, node: Any, target: Searchable, context: Context) -> Any:
    """A select of a term's home, without what belongs to it."""
    field = BY_NAME[node.field] if isinstance(node, language.Term) else WORDS
    if isinstance(field.kind, OfCertificate):
        row = holder(field.places[target])
        test = field.kind._kind.test(field.places[target].column, node.operator, node.values[0], context)
        return select(literal(1)).select_from(row).where(test(row.c))
    row = HOMES[asked.home]()
    return select(literal(1)).select_from(row).where(*(test(row.c) for test in asked.tests))


def indexes_of(field: Any, target: Searchable, *, is_sqlite: bool) -> list[str]:
    """The names that a plan must have; where the part of a key of another table is asked for, that table's index."""
    if field is WORDS:
        return ["VIRTUAL TABLE INDEX"] if is_sqlite else ["ix_search_texts_words"]
    on_connection = {
        "port": "ix_observations_dst_port_id",
        "protocol": "ix_observations_other_protocol",
        "seen": "ix_observations_arrived_at",
    }
    if target is Searchable.CERTIFICATES and field.name in {"port", "protocol"}:
        return [f"ix_sightings_{'other_' if field.name == 'protocol' else ''}{field.name}"]
    if target is Searchable.CONNECTIONS:
        return [on_connection.get(field.name, field.index)]
    return [field.index]


def test_a_search_that_takes_too_long_ends(ledger: Database) -> None:
    """The time of a search is bounded: the database is interrupted, and the error says what to do."""
    query = find.read(ledger, "-service:http -country:DE", Searchable.CONNECTIONS)
    with pytest.raises(find.SearchTooLongError, match="add a term"), find.searching(ledger, 0.0) as connection:
        find.keys(connection, query, 10)


def test_dates_are_utc_days(ledger: Database) -> None:
    """A date alone is that day; with an operator it is its first moment."""
    today = datetime.now(UTC).date().isoformat()
    hosts = Tables(ledger).rows["hosts"]
    on_day = {row["address"] for row in hosts if row["last_seen"].startswith(today)}
    assert {row["address"] for row in found(ledger, f"seen:{today}", Searchable.HOSTS)} == on_day
    before = {row["address"] for row in found(ledger, f"seen:<{today}", Searchable.HOSTS)}
    assert before == {row["address"] for row in hosts} - on_day
