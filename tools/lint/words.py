"""Checks for mannered words: plain English, with a subject, a verb and an object, and the field's own words."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tree import Finding, Module

INSTEAD = {
    r"nobody|no one": "no user, no process, nothing: name the actor",
    r"whoever|whomever|somebody|someone|everybody|anybody": "name the actor: the user, the worker, the peer",
    r"tells?|telling|told": "return, report, print, show",
    r"says?|saying|said|spoken|speaks? (?:against|of)": "report, state, print, name, show",
    r"gives?(?! up)|gave(?! up)": "return, provide, have",
    r"begins?|beginning|began|begun": "start",
    r"hears?|hearing|heard|deaf": "receive, watchdog, stalled",
    r"pulse|witness|patience|patiently|postman|wishes": "docs/architecture.md has the words",
    r"there is none|of its own accord": "is missing, has no …",
}
"""Words that are not used in prose, and what to write instead. An upper-case BEGIN is SQL, and stands."""

FIRST = r"^(Tell|Say|Give|Take|Begin|Hear|Look|Hand|Let)\b"
"""Verbs that a docstring does not start with: return, claim, start, send are meant."""

NAMES = re.compile(
    r"(?<![a-z])(tell|told|says?|hear|hearing|deaf|pulse|witness|patience|patiently|postman|wishes|kept|lately|asked)(?![a-z])"
)
"""Parts of names of modules, classes and functions that only their author understands."""

_WORDS = {re.compile(rf"\b(?:{words})\b", re.IGNORECASE): instead for words, instead in INSTEAD.items()}
_FIRST = re.compile(FIRST)
_QUOTED = re.compile(r"``.*?``|`[^`]*`|\"[^\"\n]*\"|https?://\S+", re.DOTALL)
_PROSE = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")


def check(module: Module) -> Iterator[Finding]:
    """Yield the mannered words of a module: its docstrings, comments, messages and names."""
    yield from _names(module)
    for line, text in module.docstrings():
        if found := _FIRST.match(text):
            yield Finding(module.path, line, "words", f"a docstring starts with {found[0]!r}")
    prose = [*module.docstrings(), *module.comments()]
    prose += [(line, text) for line, text in module.messages() if _PROSE.search(text)]
    for line, text in prose:
        yield from in_prose(module.path, line, text)


def in_page(root: Path, page: Path) -> Iterator[Finding]:
    """Yield the mannered words of a Markdown file, but for its code blocks.

    root: the folder of the repository; page: a file below it.
    """
    text = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), page.read_text(), flags=re.DOTALL)
    yield from in_prose(page.relative_to(root).as_posix(), 1, text)


def in_prose(path: str, line: int, text: str) -> Iterator[Finding]:
    """Yield the mannered words of a text; what is quoted stands.

    path: where the text is, for the report; line: the number of its first line.
    """
    bare = _QUOTED.sub(lambda quoted: "\n" * quoted[0].count("\n"), text)
    for pattern, instead in _WORDS.items():
        for found in pattern.finditer(bare):
            if not found[0].isupper():
                at = line + bare.count("\n", 0, found.start())
                yield Finding(path, at, "words", f"{found[0]!r}; rather: {instead}")


def _names(module: Module) -> Iterator[Finding]:
    stem = module.path.rpartition("/")[2].removesuffix(".py")
    names: Iterable[tuple[int, str]] = [(1, stem), *module.defined()]
    for line, name in names:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        if found := NAMES.search(snake):
            yield Finding(
                module.path, line, "words", f"the name {name!r} has {found[0]!r}; docs/architecture.md has the words"
            )
