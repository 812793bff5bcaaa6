"""What a shell completes that is no query: names of sources, kinds of changes, fields with facets."""

import click
from click.shell_completion import CompletionItem

_MOST = 100


def complete_sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return names of sources that start with `incomplete`; none without a ledger. `ctx` and `param` are Click's."""
    from cobalt_tasks.core.errors import CobaltError
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.ingest.store import sources

    try:
        database = existing_ledger(load())
        try:
            with database.reading() as connection:
                known = dict.fromkeys(each.name for each in sources.everything(connection))
        finally:
            database.dispose()
    except CobaltError:
        return []
    return [CompletionItem(name) for name in known if name.startswith(incomplete)][:_MOST]


def complete_change_kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return kinds of changes that start with `incomplete`. `ctx` and `param` are Click's."""
    from cobalt_tasks.core.changes import ChangeKind

    return [CompletionItem(kind.value) for kind in ChangeKind if kind.value.startswith(incomplete)]


def complete_facets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return fields to count by, behind those that are listed in `incomplete`. `ctx` and `param` are Click's."""
    from cobalt_tasks.hosts.search.fields import FIELDS

    before, comma, last = incomplete.rpartition(",")
    names = (field.name for field in FIELDS if field.facet)
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last)]


def complete_formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return names of input formats that start with `incomplete`. `ctx` and `param` are Click's."""
    from cobalt_tasks.ingest.formats.registry import all_formats

    return [CompletionItem(each.name) for each in all_formats() if each.name.startswith(incomplete)]
