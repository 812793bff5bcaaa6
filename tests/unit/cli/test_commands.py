"""What every command has, and what a mistyped word leads to."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt, main
from cobalt_tasks.cli._group import summary

_ROOM = 80 - len("  certificates  ")
"""What is left for a summary on a terminal of 80 columns."""


def commands(
    command: click.Command, path: str = "cobalt", parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command]]:
    """Every command and group, with the words that lead to it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path, parent=parent)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}", context)


ALL = dict(commands(cobalt))


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_a_summary_and_an_example(path: str) -> None:
    """Its help has an example that starts with the command, and the list of commands its whole summary."""
    command = ALL[path]
    printed = CliRunner().invoke(cobalt, [*path.split()[1:], "--help"], terminal_width=80).output
    assert "Example" in printed
    assert f"  {path}" in printed or f": {path}" in printed or f"| {path}" in printed
    assert summary(command)
    assert "..." not in summary(command)
    if path.count(" ") == 1:
        assert len(summary(command)) <= _ROOM, summary(command)


@pytest.mark.parametrize("path", [path for path in ALL if path.split()[-1] in {"list", "show", "info", "check"}])
def test_what_lists_or_shows_has_json(path: str) -> None:
    """Programs can read whatever is listed."""
    assert "--json" in [name for option in ALL[path].params for name in option.opts]


def test_the_list_of_commands_is_never_cut() -> None:
    """Each command has one line of 80 columns. Break: format_commands in _group.py."""
    printed = CliRunner().invoke(cobalt, ["--help"], terminal_width=80).output
    assert "..." not in printed.partition("Commands:")[2]
    assert len(printed.partition("Commands:\n")[2].rstrip().splitlines()) == len(
        cobalt.list_commands(click.Context(cobalt))
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("stauts", "status"),
        ("jobs lst", "list"),
        ("status --jsno", "--json"),
        ("hosts --contry NL", "--country"),
        ("search --lmit 5", "--limit"),
        ("jobs list --kind baner", "banner"),
        ("jobs list --state ded", "dead"),
        ("search --in conections", "connections"),
        ("export --table hots", "hosts"),
        ("completion bahs", "bash"),
        ("changes --kind opened-port", "port opened"),
        ("ingest --format masscn-json x", "masscan-json"),
    ],
)
def test_a_mistyped_word_is_an_error_that_names_the_right_one(
    words: str, meant: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, options and values are suggested; the exit code is 2."""
    if words.startswith("changes"):
        words, separate = "changes --kind", ["prt opened"]
    else:
        separate = []
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), *separate])
    assert ended.value.code == 2
    assert f"'{meant}'" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["nan", "inf"])
@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ("top --interval", "seconds"),
        ("status --watch", "seconds"),
        ("capture --interval", "seconds"),
        ("chaos --minutes", "minutes"),
        ("jobs prune --older-than", "days"),
    ],
)
def test_what_is_no_finite_number_is_wrong_usage(
    words: str, counted: str, number: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command waits for ever, or never. Break: isfinite in _numbers.py."""
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), number])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert f"{number!r} is no number of {counted}" in shown or f"{number} is not in the range" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_where_the_shell_looks(
    shell: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds what is printed without --install."""
    monkeypatch.setenv("HOME", str(tmp_path))
    script = CliRunner().invoke(cobalt, ["completion", shell], catch_exceptions=False).stdout
    done = CliRunner().invoke(cobalt, ["completion", shell, "--install"], catch_exceptions=False)
    (file,) = [path for path in tmp_path.rglob("*cobalt*") if path.is_file()]
    assert str(file) in done.stdout
    assert file.read_text() == script
    assert f"{shell}_complete" in script
