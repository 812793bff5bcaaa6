"""The table of formats: complete declarations, formats of other packages, and the documentation made from it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cobalt_tasks.core import plugins
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.ingest import formats
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import registry
from cobalt_tasks.ingest.formats.capture import Capture

PAGE = Path(__file__).parents[3] / "docs" / "ingest.md"
MODULE = "example_formats"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install the example of docs/ingest.md as another package, with the entry point that is given."""

    def install(value: str) -> None:
        code = PAGE.read_text().split("```python\n", 1)[1].split("```", 1)[0]
        (tmp_path / f"{MODULE}.py").write_text(f'"""An example."""\n\n{code}')
        about = tmp_path / "example_package-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: example-package\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\nexample = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    _forget()
    yield install
    _forget()


def _forget() -> None:
    sys.modules.pop(MODULE, None)
    plugins.load.cache_clear()
    registry.all_formats.cache_clear()


def test_a_format_of_another_package_is_one_of_ours(installed: Any) -> None:
    """Its entry point makes it a family and a format by name, and its lines are recognised and read."""
    installed(f"{MODULE}:Example")
    line = b'{"example_scanner": 1, "address": "192.0.2.1", "open": 443}\n'
    assert "example" in formats.families()
    assert formats.may_scan(None, "example")
    chosen = formats.recognise(line)
    assert chosen is formats.named("example")
    assert chosen is not None
    batch = Batch(1, 1_800_000_000.0, chosen.tool)
    chosen().parse(line, 0, batch)
    assert [row[1:4] for row in batch.discoveries] == [("192.0.2.1", "tcp", 443)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (f"{MODULE}:Missing", "example-package: its plug-in 'example' (example_formats:Missing) cannot be imported"),
        (f"{MODULE}:values", "example-package: example_formats:values is no type"),
        (f"{MODULE}:Batch", "cobalt_tasks.ingest.batch.Batch is no format"),
    ],
)
def test_a_broken_format_of_another_package_is_named(installed: Any, value: str, message: str) -> None:
    """The error names the package or the class, so that the user knows what to uninstall."""
    installed(value)
    with pytest.raises(ConfigurationError) as raised:
        formats.all_formats()
    assert message in str(raised.value)


class _Nameless(Capture):
    """Declares no summary."""

    name: ClassVar = "nameless"
    summary: ClassVar = ""


class _Auto(Capture):
    """Calls its family as the command calls all of them."""

    name: ClassVar = "fine"
    family: ClassVar = "auto"


@pytest.mark.parametrize(
    ("each", "message"),
    [(_Nameless, "declares no summary"), (_Auto, "is no name of a format"), (Capture, "there is a format 'capture'")],
)
def test_a_declaration_is_checked(each: type[formats.Format], message: str) -> None:
    """Incomplete declarations, names that cannot be typed and names that are taken are errors that name the class."""
    with pytest.raises(ConfigurationError, match=message):
        registry.checked((Capture, each))


def test_the_documentation_has_the_table_of_formats() -> None:
    """docs/ingest.md shows what the code declares: `make formats-table` writes it."""
    text = PAGE.read_text()
    assert formats.table() in text
