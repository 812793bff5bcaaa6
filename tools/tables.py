"""Write the tables of the documentation that are made from declarations in the code; `--check` only compares them.

docs/settings.md: the settings. docs/geolocation.md: the geolocation providers. docs/search.md:
the fields of the search language.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from cobalt_tasks.core import providers, settings
from cobalt_tasks.core.providers import LOCAL
from cobalt_tasks.hosts.search.fields import FIELDS, Searchable

ROOT = Path(__file__).parents[1]


def table(*rows: Iterable[str]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *others = [list(row) for row in rows]
    lines = [head, ["---"] * len(head), *others]
    return "".join(f"| {' | '.join(line)} |\n".replace("| --- ", "|---").replace("--- |", "---|") for line in lines)


def settings_table() -> str:
    """Return the table of the settings."""
    rows = [(f"`{each.name}`", each.default, each.value, each.meaning) for each in settings.all_variables()]
    return table(("variable", "default", "value", "meaning"), *rows)


def providers_table() -> str:
    """Return the table of the online providers."""
    rows = [
        (f"`{each.name}`", each.needs, each.calls, f"`{each.url_variable}`; {each.endpoints}")
        for each in providers.built_in().values()
        if each.name != LOCAL
    ]
    return table(("name", "needs", "calls", "base URL"), *rows)


def fields_table() -> str:
    """Return the table of the fields of the search language."""
    rows = [
        (
            f"`{each.name}`",
            each.kind.word,
            "all" if len(each.places) == len(Searchable) else ", ".join(each.places),
            each.meaning,
            f"`{each.example}`",
        )
        for each in FIELDS
    ]
    return table(("field", "values", "of", "meaning", "example"), *rows)


TABLES = {
    "docs/settings.md": settings_table,
    "docs/geolocation.md": providers_table,
    "docs/search.md": fields_table,
}


def with_table(text: str, new: str) -> str:
    """Return a document whose table with the same head is replaced."""
    head = new.partition("\n")[0]
    before, _, rest = text.partition(head)
    if head not in text:
        raise SystemExit(f"there is no table with the head {head}")
    lines = rest.split("\n")[1:]
    after = next((index for index, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + new + "\n".join(lines[after:])


def main() -> int:
    """Write the tables, or compare them; return 1 if one is not what the code declares."""
    changed = []
    for name, make in TABLES.items():
        path = ROOT / name
        text = path.read_text()
        if (new := with_table(text, make())) != text:
            changed.append(name)
            if "--check" not in sys.argv:
                path.write_text(new)
    if changed and "--check" in sys.argv:
        print(f"{', '.join(changed)}: not what the code declares; run .venv/bin/python tools/tables.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
