"""Why the database takes no connection, from its message or that of a PgBouncer before it: drivers have no code for it."""

from typing import Final

from cobalt_tasks.core.errors import DatabaseBusyError, DatabaseRefusedError, DatabaseUnavailableError

_BUSY: Final = (
    "too many clients",
    "too many connections",
    "remaining connection slots are reserved",
    "the database system is",
    "no more connections allowed",
    "query_wait_timeout",
    "pgbouncer cannot connect to server",
    "server_login_retry",
    "server login has been failing",
    "the database is not accepting",
)
_REFUSED: Final = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "no such database",
    "no such user",
    "is not permitted to log in",
    "connection is bad: invalid",
)


def named(message: str) -> DatabaseUnavailableError:
    """Return the error for the first line of a driver's message."""
    text = message.lower()
    if any(part in text for part in _BUSY):
        return DatabaseBusyError(f"the database takes no connection now: {message}")
    if any(part in text for part in _REFUSED) or ("fatal:" in text and "does not exist" in text):
        return DatabaseRefusedError(f"the database refuses the connection, see COBALT_DATABASE_URL: {message}")
    return DatabaseUnavailableError(f"the database does not answer: {message}")
