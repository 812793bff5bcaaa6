"""indexes of jobs that are cheaper to keep, and that no planner mistakes for another."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ACTIVE = "state IN ('pending', 'sent', 'running')"
FINISHED = "finished_at IS NOT NULL"


def upgrade() -> None:
    op.drop_index("uq_jobs_active", "jobs")
    columns = ["address", "kind", "protocol", "port"]
    op.create_index("uq_jobs_active", "jobs", columns, unique=True, **_only(ACTIVE))
    op.drop_index("ix_jobs_finished_at", "jobs")
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"], unique=False, **_only(FINISHED))


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
