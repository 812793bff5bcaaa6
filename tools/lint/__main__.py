"""Our own lint, part of `make check`: plain words, described parameters, small files, one name for one thing.

    python tools/lint                       all of it; exit code 1 if something is found
    python tools/lint cobalt_tasks/jobs     all that is found below a folder, also what the list still allows

`allowed.txt` beside this file lists what is not clean yet: a pattern of paths, and the checks that are not applied
there. It only ever gets shorter.
"""

import sys
from pathlib import Path, PurePosixPath

import parameters
import shape
import words
from tree import BESIDE, PRODUCT, Finding, modules

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("allowed.txt")
PAGES = ("*.md", "docs/**/*.md")
QUOTING = {"tools/lint/words.py", "CHANGELOG.md"}
"""The list of words itself, and what was written before it."""

FROZEN = "cobalt_tasks/db/migrations/versions/"
"""Migrations stay as they were released: their length and their words are not checked."""


def found() -> list[Finding]:
    """Return all that breaks a rule, allowed or not, in the order of the files."""
    product = [module for module in modules(ROOT, PRODUCT) if not module.path.startswith(FROZEN)]
    beside = modules(ROOT, BESIDE)
    findings = [*shape.check_classes(product), *shape.check_blocks(product)]
    for module in product:
        findings += [*parameters.check(module), *shape.check_functions(module)]
    for module in [*product, *beside]:
        findings += shape.check_file(module)
        if module.path not in QUOTING and not module.path.startswith("tests/"):
            findings += words.check(module)
    for page in sorted({page for pattern in PAGES for page in ROOT.glob(pattern)}):
        if page.relative_to(ROOT).as_posix() not in QUOTING:
            findings += words.in_page(ROOT, page)
    return sorted(findings, key=lambda one: (one.path, one.line, one.check))


def allowed() -> list[tuple[str, str]]:
    """Return (pattern of paths, check) of the list."""
    lines = [line.partition("#")[0].split() for line in LIST.read_text().splitlines()]
    return [(pattern, check) for pattern, *checks in filter(None, lines) for check in checks]


def _matches(finding: Finding, pattern: str, check: str) -> bool:
    path = PurePosixPath(finding.path)
    return finding.check == check and path.parent == PurePosixPath(pattern).parent and path.match(pattern)


def main(folders: list[str]) -> int:
    """Print what is found, and return the exit code.

    folders: paths whose findings are shown even if the list allows them; empty: all that the list does not allow.
    """
    findings, exceptions = found(), allowed()
    covered = {finding: [entry for entry in exceptions if _matches(finding, *entry)] for finding in findings}
    shown = [
        one
        for one in findings
        if (one.path.startswith(tuple(folder.rstrip("/") for folder in folders)) if folders else not covered[one])
    ]
    for finding in shown:
        print(finding)
    if not folders:
        needed = {entry for entries in covered.values() for entry in entries}
        for pattern, check in exceptions:
            if (pattern, check) not in needed:
                print(f"note: {pattern} has no {check} finding any more: remove it from {LIST.relative_to(ROOT)}")
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
