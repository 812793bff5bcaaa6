"""the calls a provider allows are called its quota."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.rename_table("budgets", "quotas")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_budgets RENAME TO pk_quotas")
    # What is done keeps the outcome it was shown with; what waits has it for as long as it waits.
    op.execute(
        "UPDATE jobs SET waits_for = 'quota', outcome = 'no quota' WHERE state = 'pending' AND waits_for = 'budget'"
    )
