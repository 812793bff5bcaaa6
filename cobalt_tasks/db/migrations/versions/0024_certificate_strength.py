"""certificates have the type and size of their key and their signature; sightings, what the handshake showed besides."""

import sqlalchemy as sa
from alembic import op

from cobalt_tasks.core.x509 import strength

revision = "0024"
down_revision = "0023"

AT_ONCE = 1000


def upgrade() -> None:
    op.add_column("certificates", sa.Column("key_type", sa.Text(), nullable=False, server_default=""))
    op.add_column("certificates", sa.Column("key_size", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("certificates", sa.Column("signature", sa.Text(), nullable=False, server_default=""))
    op.add_column("sightings", sa.Column("details", sa.Text()))
    _fill()


def _fill() -> None:
    connection = op.get_bind()
    chosen = sa.text(
        "SELECT fingerprint, der FROM certificates WHERE fingerprint > :after ORDER BY fingerprint LIMIT :count"
    )
    change = sa.text(
        "UPDATE certificates SET key_type = :type, key_size = :size, signature = :signature WHERE fingerprint = :fingerprint"
    )
    after = ""
    while rows := connection.execute(chosen, {"after": after, "count": AT_ONCE}).all():
        after = rows[-1].fingerprint
        found = [(row.fingerprint, strength(row.der)) for row in rows if row.der]
        if found:
            connection.execute(
                change,
                [
                    {"fingerprint": fingerprint, "type": kind, "size": size, "signature": signature}
                    for fingerprint, (kind, size, signature) in found
                ],
            )
