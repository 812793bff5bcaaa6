"""Alembic's entry: runs on the connection it is handed, inside the caller's transaction."""

from alembic import context

from cobalt_tasks.db import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.hosts.metadata,
    transactional_ddl=True,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
