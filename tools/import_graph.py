"""Prints which folder imports which, as the diagram of docs/architecture.md: an arrow points to what is imported.

    python tools/import_graph.py

An arrow is left out where a longer way leads there too. tests/unit/test_architecture.py compares the page with this.
"""

from collections.abc import Mapping

import grimp

ROOTS = ("cobalt_tasks", "workers")


def folders() -> dict[str, set[str]]:
    """Return, for each folder and module below cobalt_tasks, and for workers, the others that it imports."""
    graph = grimp.build_graph(*ROOTS)
    names = {*graph.find_children("cobalt_tasks"), "workers"} - {"cobalt_tasks.__main__", "cobalt_tasks.flowerconfig"}
    found: dict[str, set[str]] = {_short(name): set() for name in names}
    for module in graph.modules:
        importer = _folder(module, names)
        for imported in graph.find_modules_directly_imported_by(module):
            target = _folder(imported, names)
            if importer and target and importer != target:
                found[importer].add(target)
    return found


def reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    """Return all names that `edges`, name → names, lead to from `start`."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in edges[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def reduced(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return `edges`, name → names and without circles, without those that a longer way replaces."""
    return {
        name: {
            target for target in targets if not any(target in reachable(edges, other) for other in targets - {target})
        }
        for name, targets in edges.items()
    }


def _folder(module: str, names: set[str]) -> str | None:
    return next((_short(name) for name in names if module == name or module.startswith(f"{name}.")), None)


def _short(name: str) -> str:
    return name.removeprefix("cobalt_tasks.")


def main() -> None:
    """Print the diagram."""
    print("```mermaid\nflowchart TD")
    for name, targets in sorted(reduced(folders()).items()):
        for target in sorted(targets):
            print(f"    {name} --> {target}")
    print("```")


if __name__ == "__main__":
    main()
