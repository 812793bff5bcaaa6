"""`cobalt networks`."""

import click

from cobalt_tasks.cli._group import Group


@click.group(cls=Group, short_help="Check the own networks that networks.toml describes.")
def networks() -> None:
    """Check the own networks, which networks.toml in COBALT_HOME describes.

    \b
    Example:
      cobalt networks check
    """  # noqa: D301  # Click's mark for "do not wrap"


@networks.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(as_json: bool) -> None:
    """Read networks.toml, and list the networks it describes, or report what is wrong in it.

    \b
    Example:
      cobalt networks check
      cobalt networks check --json
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.own_networks import FILE, load
    from cobalt_tasks.core.settings import load as load_settings

    home = load_settings().home
    described = load(home).described
    if as_json:
        import msgspec

        from cobalt_tasks.views import documents

        rows = [{"network": str(network), **msgspec.structs.asdict(each)} for network, each in described.items()]
        documents.print_list(rows)
        return
    from cobalt_tasks.views.tables import Column, Output

    columns = (
        Column("Network", cut=False),
        Column("Name"),
        Column("Place"),
        Column("Importance", cut=False, right=True),
        Column("Tags"),
    )
    cells = []
    for network, each in described.items():
        place = "" if each.latitude is None else f"{each.latitude}, {each.longitude}"
        cells.append((str(network), each.name, place, f"{each.importance:g}", ", ".join(each.tags)))
    Output().listing(columns, cells, f"No own networks: {home / FILE} does not exist or is empty.")
