"""Plug-ins: objects that other packages declare as entry points, for the registries of providers, formats and so on.

A registry names its own members itself; this only adds those of other packages:

    [project.entry-points."cobalt.providers"]
    example = "example_package.provider:PROVIDER"
"""

from functools import cache
from typing import TypeVar

from cobalt_tasks.core.errors import ConfigurationError

Entry = TypeVar("Entry")


@cache
def load(group: str, kind: type[Entry]) -> dict[str, Entry]:
    """Import what installed packages declare in a group of entry points.

    Args:
        group: the name of the group, such as `cobalt.providers`.
        kind: the type each of its objects must have.

    Returns:
        The objects by the names of their entry points.

    Raises:
        ConfigurationError: one cannot be imported, or is of another type; the message names the package.

    """
    from importlib.metadata import entry_points  # noqa: PLC0415  # most commands use no plug-in

    found: dict[str, Entry] = {}
    for point in entry_points(group=group):
        package = point.dist.name if point.dist else "a package"
        if point.name in found:
            raise ConfigurationError(f"{package}: there are two plug-ins {point.name!r} in {group}; uninstall one")
        try:
            entry = point.load()
        except Exception as error:
            raise ConfigurationError(
                f"{package}: its plug-in {point.name!r} ({point.value}) cannot be imported: {error}"
            ) from error
        if not isinstance(entry, kind):
            raise ConfigurationError(f"{package}: {point.value} is no {kind.__name__}, so it is no plug-in for {group}")
        found[point.name] = entry
    return found
