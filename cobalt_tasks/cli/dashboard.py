"""`cobalt dashboard`."""

import click


@click.command(short_help="Serve the page and the HTTP API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The TCP port.")
@click.option(
    "--flower-port", type=click.IntRange(1, 65535), help="Where Flower is on this machine: the page links to it."
)
@click.option("--no-login", is_flag=True, help="Let other machines read everything without a login.")
def dashboard(host: str, port: int, flower_port: int | None, no_login: bool) -> None:
    """Serve the page and the HTTP API until Ctrl-C; /docs lists the API.

    For other machines, set COBALT_DASHBOARD_USER and COBALT_DASHBOARD_PASSWORD, and put the names by which they reach
    this machine into COBALT_ALLOWED_HOSTS.

    \b
    Example:
      cobalt dashboard
      COBALT_DASHBOARD_USER=me COBALT_DASHBOARD_PASSWORD=… cobalt dashboard --host 0.0.0.0
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.access import require_login
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.views.dashboard.server import serve

    settings = load()
    if require_login(settings, host, "the page", "--no-login", no_login=no_login):
        click.echo(f"cobalt: every machine that reaches {host} can read the page without a login", err=True)

    def announce(url: str) -> None:
        click.echo(f"cobalt: the page is on {url}", err=True)

    serve(settings, host, port, announce, flower_port=flower_port)
