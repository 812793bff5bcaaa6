"""The command line of searches: results, errors and completion."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cobalt_tasks.cli import cobalt
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import completion
from cobalt_tasks.hosts.search.fields import Searchable


def test_values_are_completed(ledger: Database) -> None:
    """Of a field come the different values that begin so, quoted where a query needs that."""
    with ledger.reading() as connection:
        assert completion.values(connection, "country", "d", 10) == ["DE"]
        assert completion.values(connection, "service", "http", 10) == ["http", "https"]
        assert completion.values(connection, "product", "", 10) == ['"apache httpd"', "nginx", "openssh"]
        assert completion.values(connection, "port", "", 10) == []
        assert completion.values(connection, "nosuch", "", 10) == []


def test_the_shell_completes_fields_and_values(ledger: Database, home: Path) -> None:
    """As bash, which breaks words at colons, and as other shells."""

    def completed(words: str) -> list[str]:
        environment = {
            "_COBALT_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        printed = CliRunner().invoke(cobalt, [], prog_name="cobalt", env=environment).output
        return [line.partition(",")[2] for line in printed.splitlines()]

    assert completed("cobalt search cert.s") == ["cert.subject:", "cert.serial:", "cert.selfsigned:"]
    assert completed("cobalt search -serv") == ["-service:"]
    assert completed("cobalt search country:d") == ["country:DE"]
    assert completed("cobalt search service : ht") == ["http", "https"]
    assert completed("cobalt search --facets country,po") == ["country,port"]
    assert completed("cobalt changes --kind host") == ["host found"]
    assert completed("cobalt ingest --format zgr") == ["zgrab2"]


def test_the_command_prints_tables_and_json(ledger: Database, home: Path) -> None:
    """Each sort of rows as a table and as JSON; errors are one line and exit code 2; a minus needs no quoting."""

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cobalt, ["search", *arguments])

    for target in Searchable:
        first = run("--in", str(target), "port:1..60000", "--json", "--limit", "2")
        page = [json.loads(line) for line in first.stdout.splitlines()]
        assert len(page) == 2
        mark = first.stderr.split()[-1]
        rest = run("--in", str(target), "port:1..60000", "--json", "--after", mark).stdout
        assert page[0] not in map(json.loads, rest.splitlines())
        shown = run("--in", str(target), "port:1..60000").stdout
        assert page[0].get("address", page[0].get("dst_ip")) in shown
    assert run("-service:http", "seen:<20d", "--count").output.strip().isdigit()
    assert "No port matches." in run("--in", "ports", "port:1").output
    assert "DE" in run("--facets", "country,port").output


def test_an_empty_ledger_is_no_all_clear(home: Path) -> None:
    """Where nothing was read yet, no query says that nothing matches. Break: no_match_note in cli/."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cobalt, arguments)
        assert done.exit_code == 0
        return done.stderr

    run("db", "upgrade")
    for command in (["certificates"], *(["search", "--in", str(target), "port:22"] for target in Searchable)):
        assert run(*command) == "No hosts yet: cobalt ingest brings them.\n"
