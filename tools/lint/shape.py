"""Checks the sizes of files and functions, that a class name stands for one thing, and that no block is written twice."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tree import Finding, Module

FILE_LINES = 350
FUNCTION_LINES = 50
BLOCK_LINES = 10
"""Lines of code, without comments, docstrings, imports and blank lines, from which a block counts as written twice."""

WHY = "# the same as in "
"""A comment with this in the line before a block, or in it, states why it stands twice."""


def check_file(module: Module) -> Iterator[Finding]:
    """Yield the file itself if it is too long."""
    if (count := len(module.lines)) > FILE_LINES:
        yield Finding(module.path, 1, "file", f"{count} lines, {FILE_LINES} at most")


def check_functions(module: Module) -> Iterator[Finding]:
    """Yield the functions of a module that are too long."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            count = node.end_lineno - node.lineno + 1
            if count > FUNCTION_LINES:
                yield Finding(
                    module.path, node.lineno, "function", f"{node.name}(): {count} lines, {FUNCTION_LINES} at most"
                )


def check_classes(modules: list[Module]) -> Iterator[Finding]:
    """Yield the classes whose name another class of the tree has."""
    places: dict[str, list[tuple[Module, int]]] = defaultdict(list)
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append((module, node.lineno))
    for name, each in places.items():
        for module, line in each if len(each) > 1 else []:
            others = ", ".join(sorted(other.path for other, at in each if (other, at) != (module, line)))
            yield Finding(module.path, line, "class", f"{name} is also in {others}")


def check_blocks(modules: list[Module]) -> Iterator[Finding]:
    """Yield, for each block that stands twice, its later place."""
    first: dict[tuple[str, ...], tuple[str, int]] = {}
    for module in modules:
        code = list(_code(module))
        reported = 0
        for index in range(len(code) - BLOCK_LINES + 1):
            window = code[index : index + BLOCK_LINES]
            key = tuple(text for _, text in window)
            start, end = window[0][0], window[-1][0]
            path, line = first.setdefault(key, (module.path, start))
            if (path, line) != (module.path, start) and start > reported:
                reported = end
                if not any(WHY in text for text in module.lines[max(start - 2, 0) : end]):
                    yield Finding(module.path, start, "block", f"{BLOCK_LINES} lines or more as at {path}:{line}")


def _code(module: Module) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of the lines that hold code."""
    skipped: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for number, line in enumerate(module.lines, 1):
        text = line.strip()
        if text and not text.startswith("#") and number not in skipped:
            yield number, text
