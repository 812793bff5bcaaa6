"""The Celery app: `celery -A cobalt_tasks …`."""

import os
import sys
from pathlib import Path
from typing import Any, Self

from celery import Celery, signals
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES

from cobalt_tasks.core import private_files
from cobalt_tasks.core.errors import ConfigurationError, exit_on_wrong_configuration

with exit_on_wrong_configuration():
    # It imports the catalog, which checks its entries and those of other packages.
    from cobalt_tasks.messages.transport import TRANSPORTS

# kombu's own table of transports: the only place that also its pools of connections look at.
TRANSPORT_ALIASES.update(TRANSPORTS)


class EagerConnection(Connection):
    """A connection that is never more than a few seconds late when Redis is back: Celery alone waits up to half a
    minute between two tries, the longer the longer Redis was away, and has no setting for it.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Self:
        """Connect, trying every one to three seconds."""
        pace = {"interval_start": 1, "interval_step": 1, "interval_max": 3}
        return super().ensure_connection(*args, **{**pace, **options})


class EagerAMQP(AMQP):
    """Celery's messaging over such connections."""

    Connection = EagerConnection


@signals.celeryd_init.connect
@signals.beat_init.connect
def _close_new_files(**_details: Any) -> None:
    """Close the files that workers and beat create to other users; Flower's guard does it for Flower."""
    private_files.set_mask()


@signals.import_modules.connect
def _require_guards(**_details: Any) -> None:
    """End a Flower that has read another configuration than ours, and so has no guards."""
    command: Any = sys.modules.get("flower.command")
    if "flower" in sys.argv and command is not None and command.Flower.__module__ == "flower.app":
        sys.stderr.write(
            "cobalt: Flower's configuration (--conf, FLOWER_CONF) has no guards: add the line "
            "`from cobalt_tasks.views import flower_guard; flower_guard.install()` to it\n"
        )
        raise SystemExit(ConfigurationError.exit_code)


# Flower reads this variable: `celery -A cobalt_tasks flower` alone would listen on every address, without guards.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))  # noqa: TID251  # not a setting of ours

app = Celery("cobalt_tasks", amqp=EagerAMQP)
app.config_from_object("celeryconfig")
