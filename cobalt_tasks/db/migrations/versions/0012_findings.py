"""what the rules found is called a finding."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.rename_table("evidence", "findings")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_evidence RENAME TO pk_findings")
    # The cursors of scoring: without them everything would be read again.
    for reader in ("observations", "jobs"):
        op.execute(f"UPDATE cursors SET name = 'findings: {reader}' WHERE name = 'evidence: {reader}'")  # noqa: S608
