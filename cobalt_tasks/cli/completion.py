"""`cobalt completion`: the shell completes commands, options, and names from the ledger."""

from pathlib import Path

import click

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_COBALT_COMPLETE"


@click.command(short_help="Print or install the completion of a shell.")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, for this user.")
def completion(shell: str, install: bool) -> None:
    """Print the script with which a shell completes commands, options, query fields, sources and kinds.

    With --install the next shell that is started completes; zsh may need one line in .zshrc, which is printed.

    \b
    Example:
      cobalt completion bash --install
      source <(cobalt completion zsh)
      cobalt completion fish | source
    """  # noqa: D301  # Click's mark for "do not wrap"
    script = _script(shell)
    if not install:
        click.echo(script)
        return
    from cobalt_tasks.core.errors import ConfigurationError

    file = _file(shell)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
    click.echo(f"written to {file}; start a new shell")
    if shell == "zsh":
        click.echo(f"zsh looks there if .zshrc has this line before compinit: fpath=({file.parent} $fpath)", err=True)


def _script(shell: str) -> str:
    from click.shell_completion import ShellComplete, get_completion_class

    from cobalt_tasks.cli import cobalt

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not supported")
    # Bash's own class starts a bash to learn its version first.
    return ShellComplete.source(kind(cobalt, {}, "cobalt", _VARIABLE)).strip()


def _file(shell: str) -> Path:
    """Return the file in which a shell looks for the completion of a command, without any setting of the user."""
    return {
        "bash": Path.home() / ".local/share/bash-completion/completions/cobalt",
        "zsh": Path.home() / ".local/share/zsh/site-functions/_cobalt",
        "fish": Path.home() / ".config/fish/completions/cobalt.fish",
    }[shell]
