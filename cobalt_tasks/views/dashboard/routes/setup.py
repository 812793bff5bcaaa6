"""The routes of what the user has set up: settings, own networks and alerts, without any secret."""

from typing import Annotated, Literal, TypedDict

import msgspec
from fastapi import FastAPI, Query, Request, Response

from cobalt_tasks.alerts import config, outbox
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.machine import Disk
from cobalt_tasks.core.own_networks import load
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.views import health
from cobalt_tasks.views.dashboard import lists
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import IN_DIGITS, json_answer, live_of
from cobalt_tasks.views.settings_in_words import InForce, in_words


class NetworkRow(TypedDict):
    """One own network."""

    network: str
    name: str
    latitude: float | None
    longitude: float | None
    owner: str | None
    importance: float
    tags: list[str]


class NetworksAnswer(TypedDict):
    """The own networks; `trouble`: why networks.toml cannot be used."""

    items: list[NetworkRow]
    trouble: str | None


class RuleRow(TypedDict):
    """One rule of alerts.toml: kinds of changes (null: all), or findings, and the names of its receivers."""

    name: str
    kinds: list[str] | None
    findings: list[str]
    query: str
    severity: str
    send_to: list[str]


class ReceiverRow(TypedDict):
    """A receiver by its name and sort; its address may hold a secret, and is never shown."""

    name: str
    sort: str


class MessageRow(TypedDict):
    """One message: to whom, by which rule, about how many changes, whether it was delivered, and why not."""

    id: int
    created_at: float
    rule: str
    receiver: str
    count: int
    state: str
    attempts: int
    reason: str | None


class AlertsAnswer(TypedDict):
    """The rules and receivers, the messages by state, and the newest messages; `trouble`: why alerts.toml cannot be used."""

    rules: list[RuleRow]
    receivers: list[ReceiverRow]
    expected: list[str]
    warnings: list[str]
    counts: dict[str, int]
    items: list[MessageRow]
    next: int | None
    trouble: str | None


class SetupAnswer(TypedDict):
    """What the settings mean, the disks that are written to with bytes free and in all, and Flower's port if it is known.

    Below `low` bytes free, a disk is reported in the health; below `full`, nothing is written any more.
    """

    items: list[InForce]
    disks: list[Disk]
    low: int
    full: int
    flower_port: int | None


MessageState = Annotated[
    Literal["pending", "sending", "sent", "dead"] | None, Query(description="Only messages in this state.")
]


def add_setup(app: FastAPI, settings: Settings) -> None:
    """Add the routes of settings, own networks and alerts to `app`; `settings`: of this process."""
    app.state.flower_port = None
    _add_settings(app, settings)

    @app.get("/api/networks", tags=["setup"])
    @answers(NetworksAnswer)
    def networks(request: Request) -> Response:
        """Return the own networks that networks.toml describes: name, place, owner, importance and tags of each."""
        try:
            described = load(request.app.state.home).described
        except ConfigurationError as error:
            return json_answer({"items": [], "trouble": str(error)})
        rows = [{"network": str(network), **msgspec.structs.asdict(each)} for network, each in described.items()]
        return json_answer({"items": rows, "trouble": None})

    @app.get("/api/alerts", tags=["setup"])
    @answers(AlertsAnswer)
    def alerts(
        request: Request,
        state: MessageState = None,
        limit: Annotated[int, IN_DIGITS, Query(ge=1, le=500, description="Messages at most.")] = 100,
        before: Annotated[
            int | None,
            IN_DIGITS,
            Query(ge=0, le=2**63 - 1, description="Only messages with a smaller id: the page's `next`."),
        ] = None,
    ) -> Response:
        """Return the rules and receivers of alerts.toml without secrets, and messages, the newest first, with their states.

        `counts` has the messages of each state; a message in the state `dead` was not delivered in ten tries: `reason` is
        why. `next` is where the list goes on.
        """
        with live_of(request).database.reading() as connection:
            counts = outbox.counts(connection)
            rows = outbox.page(connection, limit, state, before)
        return json_answer({**_alerting(request), "counts": counts, **lists.page_of(rows, limit)})


def _add_settings(app: FastAPI, settings: Settings) -> None:
    @app.get("/api/setup", tags=["setup"])
    @answers(SetupAnswer)
    def setup(request: Request) -> Response:
        """Return what the settings of this server mean in words, without secrets, and the space on the disks it writes to.

        `flower_port` is the port of this machine on which Flower shows the workers.
        """
        return json_answer(
            {
                "items": in_words(settings),
                "disks": health.disks(settings),
                "low": health.LOW_DISK,
                "full": health.FULL_DISK,
                "flower_port": request.app.state.flower_port,
            }
        )


def _alerting(request: Request) -> dict[str, object]:
    trouble, found = None, None
    try:
        found = config.load(request.app.state.home)
    except ConfigurationError as error:
        trouble = str(error)
    if found is None:
        return {"rules": [], "receivers": [], "expected": [], "warnings": [], "trouble": trouble}
    rules = [
        {
            "name": each.name,
            "kinds": None if each.kinds is None else sorted(each.kinds),
            "findings": sorted(each.findings),
            "query": each.query,
            "severity": each.severity,
            "send_to": each.send_to,
        }
        for each in found.rules
    ]
    return {
        "rules": rules,
        "receivers": [{"name": each.name, "sort": each.sort} for each in found.receivers.values()],
        "expected": [each.name for each in found.expected],
        "warnings": found.warnings,
        "trouble": None,
    }
