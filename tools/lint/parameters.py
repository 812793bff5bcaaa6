"""Checks that a public function with more than one parameter describes each of them: unit, range, what None is."""

import ast
import re
from collections.abc import Iterator

from tree import Finding, Module

OBVIOUS = {"self", "cls", "session", "connection", "engine"}
"""Parameters that their type describes."""

OUTSIDE = {
    "command",
    "group",
    "option",
    "get",
    "post",
    "put",
    "delete",
    "websocket",
    "middleware",
    "override",
    "overload",
}
"""Decorators of functions whose parameters are described elsewhere: in the options, in the API, in the base class."""


def check(module: Module) -> Iterator[Finding]:
    """Yield the public functions and constructors of a module that leave a parameter undescribed."""
    texts = {node.name: ast.get_docstring(node) or "" for node in module.tree.body if isinstance(node, ast.ClassDef)}
    for owner, function in module.functions():
        if _is_private(owner, function.name) or OUTSIDE & set(_decorators(function)):
            continue
        names = _parameters(function)
        if len(names) < 2:  # noqa: PLR2004
            continue
        text = (ast.get_docstring(function) or "") + (texts[owner] if function.name == "__init__" else "")
        missing = [name for name in names if name not in OBVIOUS and not _describes(text, name)]
        if missing:
            message = (
                f"{function.name}() does not describe {', '.join(missing)} (`name` in a sentence, or a line `name: …`)"
            )
            yield Finding(module.path, function.lineno, "parameters", message)


def _is_private(owner: str, name: str) -> bool:
    return owner.startswith("_") or (name.startswith("_") and name != "__init__")


def _decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    inner = function.args
    each = [*inner.posonlyargs, *inner.args, *inner.kwonlyargs]
    return [one.arg for one in each if one.arg not in {"self", "cls"} and not one.arg.startswith("_")]


def _describes(text: str, name: str) -> bool:
    """Return whether `text` has `name` in backquotes, or starts an entry with it (`name:`, also `one, name:`)."""
    return re.search(rf"`{name}`|(?:^|[\s,;(]){name}(?:, \w+)*:", text, re.MULTILINE) is not None
