"""Sends what is due, one message after the other, for a part of a minute: by one process at a time on all machines."""

import logging
import time
from pathlib import Path
from typing import Final

from cobalt_tasks.alerts import config, outbox
from cobalt_tasks.alerts.config import Alerting
from cobalt_tasks.alerts.outbox import Claimed
from cobalt_tasks.alerts.receivers import deliver
from cobalt_tasks.alerts.receivers.base import DeliveryError
from cobalt_tasks.db import locks
from cobalt_tasks.db.engine import Database

log = logging.getLogger(__name__)

_LOCK: Final = "alerts"
_LOCK_SECONDS: Final = 40.0
_ROUND_SECONDS: Final = 10.0
"""For so long new deliveries are started; the last one ends before the lock does, and before Celery's time limit."""


def send_due(database: Database, home: Path) -> int:
    """Send the messages that are due for some seconds, and return how many were tried.

    Args:
        database: the ledger.
        home: the folder of alerts.toml.

    Raises:
        ConfigurationError: alerts.toml cannot be used; the messages wait.

    """
    alerting = config.load(home)
    if not database.write(locks.take, _LOCK, _LOCK_SECONDS):
        return 0
    try:
        if lost := database.write(outbox.recover):
            log.warning("%d alerts are sent again: the process that sent them ended", lost)
        return _send(database, alerting)
    finally:
        database.write(locks.release, _LOCK, 0.0)


def _send(database: Database, alerting: Alerting | None) -> int:
    deadline, tried = time.monotonic() + _ROUND_SECONDS, 0
    while time.monotonic() < deadline and (claimed := database.write(outbox.claim)) is not None:
        tried += 1
        _send_one(database, alerting, claimed)
    return tried


def _send_one(database: Database, alerting: Alerting | None, claimed: Claimed) -> None:
    receiver = None if alerting is None else alerting.receivers.get(claimed.receiver)
    if receiver is None:
        database.write(outbox.fail, claimed, f"alerts.toml has no receiver {claimed.receiver!r} any more")
        return
    try:
        deliver(receiver, claimed.message)
    except DeliveryError as error:
        log.warning("alert %d to %s: try %d failed: %s", claimed.id, claimed.receiver, claimed.attempts, error)
        database.write(outbox.fail, claimed, str(error))
    else:
        database.write(outbox.succeed, claimed)
