"""docs/architecture.md and docs/decisions/ describe this repository: its folders, its imports, and the tests they name."""

import ast
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.source
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PAGES = [
    ROOT / "docs" / "architecture.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
INVARIANTS = range(1, 10)
NAMED = re.compile(r"\binvariants? (\d+)(?:(?:, | and | to )(\d+))*", re.IGNORECASE)


@pytest.fixture(scope="module")
def imports() -> ModuleType:
    """The program that draws the diagram."""
    specification = importlib.util.spec_from_file_location("import_graph", ROOT / "tools" / "import_graph.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_diagram_is_the_import_graph(imports: ModuleType) -> None:
    """Every arrow is an import, every import is an arrow or a way along arrows. Break: remove an arrow of the page."""
    real: dict[str, set[str]] = imports.folders()
    drawn: dict[str, set[str]] = {name: set() for name in real}
    for importer, imported in re.findall(r"^    (\w+) --> (\w+)$", PAGE, re.MULTILINE):
        drawn[importer].add(imported)
    assert {name: targets - real[name] for name, targets in drawn.items() if targets - real[name]} == {}
    missing = {name: targets - imports.reachable(drawn, name) for name, targets in real.items()}
    assert {name: targets for name, targets in missing.items() if targets} == {}


def test_every_folder_is_described() -> None:
    """Each folder of the program has its line in the table."""
    folders = [path for path in (ROOT / "cobalt_tasks").iterdir() if (path / "__init__.py").exists()]
    assert folders
    assert [path.name for path in folders if f"| `cobalt_tasks/{path.name}/` |" not in PAGE] == []


def test_every_invariant_names_tests_that_exist() -> None:
    """Nine invariants, each with a test or more that holds it. Break: rename one of these tests."""
    parts = re.split(r"^### (\d+)$", PAGE, flags=re.MULTILINE)[1:]
    sections = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    assert list(sections) == list(INVARIANTS)
    for number, text in sections.items():
        tests = re.findall(r"^- `(tests/[\w/]+\.py)::(\w+)`$", text, re.MULTILINE)
        assert tests, f"invariant {number} has no test"
        for file, name in tests:
            tree = ast.parse((ROOT / file).read_text())
            functions = {
                node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in functions, f"{file} has no {name}"


def test_what_names_an_invariant_leads_to_the_page() -> None:
    """A file that names an invariant by its number says where they are, and the number exists."""
    files = [
        path for folder in ("cobalt_tasks", "workers", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
    ]
    for path in files:
        text = path.read_text()
        numbers = {int(number) for found in NAMED.finditer(text) for number in re.findall(r"\d+", found[0])}
        assert numbers <= set(INVARIANTS), path
        assert not numbers or "docs/architecture.md" in text, path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_paths_exist(page: Path) -> None:
    """Every file and folder that these pages name is there."""
    text = page.read_text()
    paths = re.findall(r"`((?:cobalt_tasks|workers|tests|tools|docs|benchmarks)/[\w./-]*)", text)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_is_listed() -> None:
    """The list of decisions names each page, and numbers run without a gap."""
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))
    assert re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()) == pages


def test_the_example_of_contributing_is_the_tested_package() -> None:
    """The entry points that CONTRIBUTING shows are those of tests/plugin."""
    example = tomllib.loads((ROOT / "tests/plugin/cobalt_example/pyproject.toml").read_text())
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE)
    assert tomllib.loads(shown)["project"]["entry-points"] == example["project"]["entry-points"]
