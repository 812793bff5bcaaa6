"""`cobalt networks`."""

import click


@click.group()
def networks() -> None:
    """Check the own networks, which networks.toml in COBALT_HOME describes.

    \b
    Example:
      cobalt networks check
    """  # noqa: D301  # Click's mark for "do not wrap"


@networks.command()
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
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

        rows = [{"network": str(network), **msgspec.structs.asdict(each)} for network, each in described.items()]
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    if not described:
        click.echo(f"No own networks: {home / FILE} does not exist or is empty.")
        return
    from cobalt_tasks.views.tables import console, table, text

    shown = table(("Network", "left"), ("Name", "left"), ("Place", "left"), ("Importance", "right"), ("Tags", "left"))
    for network, each in described.items():
        place = "" if each.latitude is None else f"{each.latitude}, {each.longitude}"
        cells = (str(network), each.name, place, f"{each.importance:g}", ", ".join(each.tags))
        shown.add_row(*(text(cell) for cell in cells))
    console().print(shown)
