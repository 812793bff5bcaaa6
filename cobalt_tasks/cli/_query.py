"""The type of a query's words on the command line: the shell completes names of fields, and their values."""

from difflib import get_close_matches

import click
from click.shell_completion import CompletionItem

_SECONDS = 1.0
_MOST = 50


class Query(click.ParamType[str]):
    """Words of a query; they are checked together with the others."""

    name = "query"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return what may follow: fields with a colon, or values of the field that was written.

        Args:
            ctx: Click's context; the words before, where the shell breaks words at a colon, are in it.
            param: the argument.
            incomplete: the first characters of the word.

        """
        # Bash breaks words at colons: `service:ht` comes as "service", ":" and "ht".
        before = list(ctx.params.get(param.name or "") or ())
        if incomplete == ":" and before:
            return [CompletionItem(value) for value in _values(before[-1], "")]
        if before and before[-1] == ":" and len(before) > 1:
            return [CompletionItem(value) for value in _values(before[-2], incomplete)]
        return _terms(incomplete)


QUERY = Query()


def print_next(mark: str | None, command: str = "") -> None:
    """Print on standard error how to go on behind a page.

    mark: that of the page after; None at the end of the list, where nothing is printed.
    command: the one that accepts the mark, if it is another than this.
    """
    if mark is not None:
        option = f"{command} --after {mark}".strip()
        click.echo(f"There are more: raise --limit, narrow the query, or go on with {option}", err=True)


class QueryCommand(click.Command):
    """A command with a query: what starts with a minus may be a term that is negated, not only an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse words with two minuses that are no option: no term starts so. `ctx` is Click's; args: the words."""
        rest = super().parse_args(ctx, args)
        names = [name for each in self.get_params(ctx) for name in each.opts]
        for value in ctx.params.values():
            for word in value if isinstance(value, tuple) else ():
                if isinstance(word, str) and word.startswith("--"):
                    raise click.NoSuchOption(word, possibilities=get_close_matches(word, names), ctx=ctx)
        return rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return options, and terms of the query, that start with `incomplete`; `ctx` is Click's context."""
        terms = _terms(incomplete) if incomplete.startswith("-") else []
        return [*super().shell_complete(ctx, incomplete), *terms]


def _terms(incomplete: str) -> list[CompletionItem]:
    field, colon, value = incomplete.partition(":")
    if not colon:
        return [CompletionItem(name) for name in _fields(incomplete)]
    return [CompletionItem(f"{field}:{each}") for each in _values(field, value)]


def _fields(prefix: str) -> list[str]:
    from cobalt_tasks.hosts.search.fields import FIELDS

    minus = "-" if prefix.startswith("-") else ""
    found = (f"{minus}{field.name}:" for field in FIELDS)
    return [name for name in found if name.startswith(prefix)]


def _values(field: str, prefix: str) -> list[str]:
    """Return values of a field that start so; none where the ledger does not answer within a second."""
    from cobalt_tasks.core.errors import CobaltError
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.search import completion, find

    try:
        settings = load()
        database = existing_ledger(settings)
        try:
            with find.searching(database, _SECONDS) as connection:
                return completion.values(connection, field.removeprefix("-"), prefix, _MOST, settings.home)
        finally:
            database.dispose()
    except CobaltError:
        return []
