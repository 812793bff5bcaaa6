"""What can be changed in the core, and which changes are known to change nothing."""

import difflib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = (
    "cobalt_tasks/jobs",
    "cobalt_tasks/ingest/store",
    "cobalt_tasks/ingest/commit.py",
    "cobalt_tasks/geolocation/quotas.py",
    "cobalt_tasks/core/addresses.py",
)
"""The modules that are changed, or folders of them."""

NOT_TRIED: Final = ("BitOr", "RemoveDecorator", "_Is")
"""Parts of operators' names whose mutants prove nothing: `int | None` in an annotation, `@cache`, which changes only the
speed, and `is` between numbers.
"""

EQUIVALENT: Final = Path(__file__).parents[1] / "equivalent.toml"


@dataclass(frozen=True)
class Mutant:
    """One change of one module: the occurrence-th place where an operator of cosmic-ray applies."""

    module: str
    operator: str
    occurrence: int

    @cache  # noqa: B019  # few mutants are looked at, and the program ends soon
    def code(self) -> str | None:
        """Return the whole module with the change, None where the operator does not apply after all."""
        found: str | None = mutate_code(
            (ROOT / self.module).read_text(), get_operator(self.operator)(), self.occurrence
        )
        return found

    def is_python(self) -> bool:
        """Return whether the changed module can be compiled; one that cannot would be killed by any test."""
        try:
            compile(self.code() or "(", self.module, "exec")
        except SyntaxError:
            return False
        return True

    def line(self) -> int:
        """Return the number of the first line that is changed."""
        pairs = zip((ROOT / self.module).read_text().splitlines(), (self.code() or "").splitlines(), strict=False)
        return next((number for number, (one, other) in enumerate(pairs, 1) if one != other), 1)

    def diff(self) -> str:
        """Return the change as a diff without context."""
        lines = difflib.unified_diff(
            (ROOT / self.module).read_text().splitlines(), (self.code() or "").splitlines(), n=0
        )
        return "\n".join([self.module, *list(lines)[2:]])

    def change(self) -> tuple[str, str, str]:
        """Return (module, lines before, lines after), each without the space around it."""
        lines = self.diff().splitlines()
        before, after = (" ".join(line[1:].strip() for line in lines[1:] if line.startswith(sign)) for sign in "-+")
        return self.module, before, after


def mutants() -> Iterator[Mutant]:
    """Yield all mutants of all modules, in an order that depends only on the code."""
    names = sorted(name for name in operator_names() if not any(part in name for part in NOT_TRIED))
    operators = [(name, get_operator(name)) for name in names if not get_operator(name).arguments()]
    for place in MODULES:
        path = ROOT / place
        for module in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            nodes = list(ast_nodes(get_ast(module.read_text())))
            for name, operator in operators:
                count = sum(1 for node in nodes for _ in operator().mutation_positions(node))
                for occurrence in range(count):
                    yield Mutant(module.relative_to(ROOT).as_posix(), name, occurrence)


def reasons() -> dict[tuple[str, str, str | None], str]:
    """Return why changes of (module, lines before, lines after) change nothing; None behind: whatever these lines become."""
    listed = tomllib.loads(EQUIVALENT.read_text()).get("change", [])
    return {
        (each["module"], each["before"], after): each["reason"]
        for each in listed
        for after in each.get("after", [None])
    }
