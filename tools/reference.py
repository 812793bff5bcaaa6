"""Writes docs/reference.md: commands, HTTP endpoints and metrics, from the code; the tables are written by hand.

    python tools/reference.py            write the page
    python tools/reference.py --check    only compare; exit code 1 if the page is not current

A command, an option, an endpoint or a metric without a description is an error.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from prometheus_client.parser import text_string_to_metric_families

from cobalt_tasks.cli import COMMANDS, cobalt
from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.views import metrics, status
from cobalt_tasks.views.dashboard.app import create_app

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference.md"
START, END = "<!-- start: python tools/reference.py -->\n", "<!-- end -->\n"


def main(arguments: list[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    before, _, rest = PAGE.read_text().partition(START)
    page = before + START + generated() + END + rest.partition(END)[2]
    if "--check" in arguments:
        return 0 if page == PAGE.read_text() else 1
    PAGE.write_text(page)
    return 0


def generated() -> str:
    """Return what stands between the two marks."""
    with tempfile.TemporaryDirectory() as home:
        settings = load({"COBALT_HOME": home})
        return "\n".join([*_commands(), *_endpoints(settings), *_metrics(settings), ""])


def described(what: str, text: str | None) -> str:
    """Return a description on one line, for a cell of a table; `what` is named if it has none.

    Raises:
        ValueError: there is no description.

    """
    line = " ".join((text or "").split())
    if not line:
        raise ValueError(f"{what} has no description")
    return line.replace("|", "\\|")


def _commands() -> Iterator[str]:
    yield "## Commands\n\nEvery command has `--help` with an example.\n"
    for name in COMMANDS:
        command = cobalt.get_command(click.Context(cobalt), name)
        if command is not None:
            yield from _command(f"cobalt {name}", command)


def _command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _command(f"{path} {name}", inner)
        return
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield f"### `{usage}`\n\n{described(path, (command.help or '').split(chr(8))[0].partition(chr(10) * 2)[0])}\n"
    rows = [
        f"| {', '.join(f'`{name}`' for name in each.opts)} | {described(f'{path} {each.opts[0]}', _help(each))} |"
        for each in command.get_params(context)
        if isinstance(each, click.Option) and "--help" not in each.opts
    ]
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows, ""])


def _help(option: click.Option) -> str:
    default = f" Default: {option.default}." if option.show_default and option.default is not None else ""
    text = (option.help or "").strip()
    return f"{text}{default}" if text else ""


def _endpoints(settings: Settings) -> Iterator[str]:
    yield "## HTTP endpoints\n\nOn port 8080; `/docs` shows the same in a browser, with every bound.\n"
    yield "| endpoint | answer | parameters |\n|---|---|---|"
    pages = {"/": "The page.", "/docs": "The description of the API.", "/static/": "What the page loads."}
    for path, text in pages.items():
        yield f"| `GET {path}` | {text} | |"
    for path, methods in create_app(settings).openapi()["paths"].items():
        for method, details in methods.items():
            where = f"{method.upper()} {path}"
            text = described(where, details.get("description", "").partition("\n\n")[0])
            yield f"| `{where}` | {text} | {_parameters(details.get('parameters', []))} |"
    yield ""


def _parameters(parameters: Iterable[dict[str, Any]]) -> str:
    return ", ".join(f"`{each['name']}`" for each in parameters)


def _metrics(settings: Settings) -> Iterator[str]:
    database = open_ledger(settings)
    body, _ = metrics.render(status.collect(database, settings))
    database.dispose()
    yield "## Metrics\n\n`/metrics`, in Prometheus's text format.\n\n| metric | type | meaning |\n|---|---|---|"
    for family in text_string_to_metric_families(body.decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield f"| `{name}` | {family.type} | {described(family.name, family.documentation)} |"
    yield ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
