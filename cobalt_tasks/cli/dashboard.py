"""`cobalt dashboard`."""

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def dashboard(host: str, port: int) -> None:
    """Serve the page and the HTTP API until Ctrl-C; /docs lists the API.

    Nobody is asked for a password unless COBALT_DASHBOARD_USER and COBALT_DASHBOARD_PASSWORD are set.

    \b
    Example:
      cobalt dashboard
      COBALT_DASHBOARD_USER=me COBALT_DASHBOARD_PASSWORD=… cobalt dashboard --host 0.0.0.0
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.settings import load
    from cobalt_tasks.views.dashboard.server import is_open_to_others, serve

    settings = load()
    if is_open_to_others(settings, host):
        click.echo(
            f"cobalt: anybody who reaches {host} can read this page: set COBALT_DASHBOARD_USER and "
            "COBALT_DASHBOARD_PASSWORD to ask for a password",
            err=True,
        )
    serve(settings, host, port, lambda url: click.echo(f"cobalt: the page is on {url}", err=True))
