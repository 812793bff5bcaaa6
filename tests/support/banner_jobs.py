"""Banner jobs of one host: made, sent, claimed and looked at."""

from sqlalchemy import select

from cobalt_tasks.core.records import Job, NewJob, Outcome, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import store as jobs

ADDRESS = "192.0.2.10"
LEASE = 15.0


def banner_job(port: int = 22, **options: object) -> NewJob:
    """A banner job for one port."""
    return NewJob(kind="banner", address=ADDRESS, protocol="tcp", port=port, **options)


def rows(database: Database) -> list[dict[str, object]]:
    """Every job, the oldest first."""
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()]


def states(database: Database) -> list[str]:
    """Every job's state, the oldest first."""
    return [row["state"] for row in rows(database)]


def send_and_claim(database: Database, *, lease: float = LEASE) -> jobs.Claim:
    """Send every ordinary banner job, and claim it as a worker would."""
    sent = database.write(jobs.mark_sent, "banner", 1, 100)
    return database.write(jobs.claim, "banner", [job.id for job in sent], lease)


def outcome(job: Job, verdict: Verdict, **options: object) -> Outcome:
    """An outcome with any code."""
    return Outcome(job=job, verdict=verdict, code="any", **options)
