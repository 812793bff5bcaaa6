"""Groups of commands, and choices, whose errors name what may have been meant, and whose help is never cut."""

from typing import Any

import click

from cobalt_tasks.core.suggestions import did_you_mean


class SuggestingChoice(click.Choice[str]):
    """One of several words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message for a word that is none of them, with the nearest one.

        Args:
            value: what was written.
            ctx: Click's.

        """
        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), self.choices)


class Group(click.Group):
    """A group that lists the whole summary of each command."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and summaries of the commands into `formatter`; `ctx` is Click's context."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, summary(command)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def summary(command: click.Command) -> str:
    """Return what a command does, in one sentence."""
    return command.get_short_help_str(limit=10_000)


def prepared(command: click.Command) -> click.Command:
    """Return a command whose choices, and those of its own commands, suggest what may have been meant."""
    for each in command.params:
        if type(each.type) is click.Choice:
            each.type = SuggestingChoice(each.type.choices, each.type.case_sensitive)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            prepared(inner)
    return command
