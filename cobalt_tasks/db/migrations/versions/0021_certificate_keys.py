"""certificates have the digest of their key, and are listed by the time they expire."""

import sqlalchemy as sa
from alembic import op

from cobalt_tasks.core.x509 import key_digest

revision = "0021"
down_revision = "0020"

AT_ONCE = 1000


def upgrade() -> None:
    op.add_column("certificates", sa.Column("public_key", sa.Text(), nullable=False, server_default=""))
    op.drop_index("ix_certificates_not_after", "certificates")
    op.create_index("ix_certificates_not_after_fingerprint", "certificates", ["not_after", "fingerprint"])
    _fill()


def _fill() -> None:
    connection = op.get_bind()
    chosen = sa.text(
        "SELECT fingerprint, der FROM certificates WHERE fingerprint > :after ORDER BY fingerprint LIMIT :count"
    )
    change = sa.text("UPDATE certificates SET public_key = :key WHERE fingerprint = :fingerprint")
    after = ""
    while rows := connection.execute(chosen, {"after": after, "count": AT_ONCE}).all():
        after = rows[-1].fingerprint
        found = [{"fingerprint": row.fingerprint, "key": key_digest(row.der)} for row in rows if row.der]
        if found:
            connection.execute(change, found)
