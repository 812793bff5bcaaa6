"""Reads the files that the checks look at. It knows no rule."""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PRODUCT = ("cobalt_tasks", "workers", "celeryconfig.py")
"""What is installed: every check looks at it."""

BESIDE = ("tools", "benchmarks", "tests")
"""What is not installed: only the length of its files is checked, and the words of the first two."""


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule."""

    path: str
    line: int
    check: str
    message: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.path}:{self.line}: {self.check}: {self.message}"


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the root, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text)

    @property
    def lines(self) -> list[str]:
        """The file's lines, without their ends."""
        return self.text.splitlines()

    def docstrings(self) -> Iterator[tuple[int, str]]:
        """Yield (line, text) of every docstring, and of every string that describes a constant."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield node.lineno, node.value.value

    def comments(self) -> Iterator[tuple[int, str]]:
        """Yield (line, text) of every comment."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    def messages(self) -> Iterator[tuple[int, str]]:
        """Yield (line, text) of every other string that reads like prose: help, errors, log lines."""
        described = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
                yield node.lineno, node.value

    def defined(self) -> Iterator[tuple[int, str]]:
        """Yield (line, name) of every class and function, wherever it stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.lineno, node.name

    def functions(self) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Yield (name of the class or "", function) of every function and method at the top of a module or class."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield "", node
            elif isinstance(node, ast.ClassDef):
                yield from (
                    (node.name, inner)
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
                )


def modules(root: Path, folders: tuple[str, ...]) -> list[Module]:
    """Return the Python files below some folders of a repository, in order.

    root: the folder of the repository.
    folders: names below it, each a folder or a file.
    """
    files = [
        file for name in folders for file in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
    ]
    return [Module(file.relative_to(root).as_posix(), file.read_text()) for file in sorted(files)]
