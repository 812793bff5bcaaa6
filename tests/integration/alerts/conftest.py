"""What tests of alerts share: a state folder with alerts.toml, and changes."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes
from tests.support.webhooks import Webhook

Write = Callable[..., None]


@pytest.fixture
def rules(home: Path) -> Callable[..., Path]:
    """Writes alerts.toml: a webhook, rules about it, and what else is given; returns the folder."""

    def write(server: Webhook, tables: str) -> Path:
        file = home / "alerts.toml"
        file.touch(0o600)
        file.write_text(f'[receivers.soar]\nwebhook = "{server.url}"\nsecret = "s3cr3t"\n\n{tables}\n')
        return home

    return write


@pytest.fixture
def opened() -> Write:
    """Writes the change that ports opened."""

    def write(
        database: Database, *ports: int, address: str = "192.0.2.1", kind: ChangeKind = ChangeKind.PORT_OPENED
    ) -> None:
        found = [
            Change(kind=kind, address=address, protocol="tcp", port=port, observed_at=time.time()) for port in ports
        ]
        with database.writing() as connection:
            changes.write(connection, found)

    return write
