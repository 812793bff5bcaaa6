"""The lint of `make check` finds what it is for, and its list of exceptions names only what exists."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.source


@pytest.fixture
def lint(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of tools/lint, which is a program and no package."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "lint"))
    names = ("tree", "words", "parameters", "shape")
    loaded = {name: importlib.import_module(name) for name in names}
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    return loaded


@pytest.mark.parametrize(
    "text",
    [
        '"""Nobody waits for this."""',
        '"""Tell the time."""',
        "# whoever comes first",
        'def f():\n    raise ValueError("the server says that")',
        'def f():\n    raise ValueError(f"the server tells {1} things")',
        "class Postman:\n    pass",
        "def is_deaf():\n    pass",
    ],
)
def test_mannered_words_are_found(lint: dict[str, ModuleType], text: str) -> None:
    """In docstrings, comments, messages and names."""
    assert [found.check for found in lint["words"].check(lint["tree"].Module("a/b.py", text))]


@pytest.mark.parametrize(
    "text",
    [
        '"""Return the rows of `nobody`, after BEGIN; a client "says" hello."""',
        'USER = "nobody"',
        '"""Give up after three attempts?"""'.replace("Give up", "It gives up"),
    ],
)
def test_quotations_and_data_stand(lint: dict[str, ModuleType], text: str) -> None:
    """What is in quotation marks, SQL's BEGIN, and strings that are no prose."""
    assert not list(lint["words"].check(lint["tree"].Module("a/b.py", text)))


@pytest.mark.parametrize(
    ("docstring", "missing"),
    [
        ("Return the sum.", "first, second"),
        ("Return `first` and the rest.", "second"),
        ("Return `first` + `second`.", None),
        ("Return the sum.\n\n    first: a number.\n    second: another, None for 0.", None),
        ("Return the sum.\n\n    first, second: numbers.", None),
    ],
)
def test_parameters_are_described(lint: dict[str, ModuleType], docstring: str, missing: str | None) -> None:
    """A public function with more than one parameter names each of them in its docstring."""
    text = f'def add(first: int, second: int) -> int:\n    """{docstring}"""\n'
    found = list(lint["parameters"].check(lint["tree"].Module("a/b.py", text)))
    assert len(found) == (missing is not None)
    assert not found or f"describe {missing} (" in found[0].message


def test_sizes_classes_and_blocks(lint: dict[str, ModuleType]) -> None:
    """Long files and functions, a class name that stands twice, and a block that stands twice without a reason."""
    shape, module = lint["shape"], lint["tree"].Module
    block = "".join(f"    x = work({n})\n" for n in range(shape.BLOCK_LINES))
    one, two = (
        module("one.py", f"class A:\n    pass\ndef f():\n{block}"),
        module("two.py", f"class A: ...\ndef g():\n{block}"),
    )
    assert [found.path for found in shape.check_classes([one, two])] == ["one.py", "two.py"]
    assert [found.path for found in shape.check_blocks([one, two])] == ["two.py"]
    reason = module("two.py", f"def g():\n    # the same as in one.py, which must not import this\n{block}")
    assert not list(shape.check_blocks([one, reason]))
    long = module("long.py", "def f():\n" + "    pass\n" * shape.FILE_LINES)
    assert [found.check for found in [*shape.check_file(long), *shape.check_functions(long)]] == ["file", "function"]


def test_the_list_names_only_files_that_exist() -> None:
    """`make check` runs the lint over the tree."""
    lines = (ROOT / "tools/lint/allowed.txt").read_text().splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []
