"""What several workers and several hosts have in common, on each database."""

import threading
import time
from pathlib import Path

from sqlalchemy import event, func, insert, select

from cobalt_tasks.core import settings
from cobalt_tasks.core.records import Certificate, Facts, Hostname, NewJob, Sighting
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.streams.files import FileStream
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from tests.support.waiting import PATIENCE

LEASE = 30.0


def test_of_many_that_claim_at_once_each_job_goes_to_one(database: Database) -> None:
    """Eight workers that got the same message at the same moment share its jobs without any overlap."""
    new = [NewJob(kind="domain", address=f"11.0.0.{index}") for index in range(200)]
    database.write(creation.create, new)
    with database.reading() as connection:
        ids = list(connection.execute(select(models.jobs.c.id)).scalars())
    claimed: list[int] = []
    barrier = threading.Barrier(8)

    def claim() -> None:
        barrier.wait()
        for start in range(0, len(ids), 20):
            found = database.write(jobs.claim, "domain", ids[start : start + 20], LEASE)
            claimed.extend(job.id for job in found.jobs)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(claimed) == sorted(ids)


def test_a_name_and_a_certificate_belong_to_every_host_that_shows_them(database: Database) -> None:
    """The same name on two hosts, the same certificate on ten: none is moved to the last one."""
    now = time.time()
    addresses = [f"203.0.113.{index}" for index in range(10)]
    certificate = Certificate(
        fingerprint="ab" * 32, der=b"0", subject="CN=x", issuer="CN=x", serial="1", not_before=0, not_after=now,
        self_signed=True, names=("www.example.com",),
    )  # fmt: skip
    for address in addresses:
        found = Facts(
            hostnames=[Hostname(address=address, name="www.example.com", source="certificate", observed_at=now)],
            certificates=[certificate],
            sightings=[
                Sighting(
                    address=address,
                    protocol="tcp",
                    port=443,
                    fingerprint=certificate.fingerprint,
                    source="probe",
                    observed_at=now,
                )
            ],
        )
        database.write(facts.write, found)
    with database.reading() as connection:
        for table in (models.hostnames, models.sightings):
            assert sorted(connection.execute(select(table.c.address)).scalars()) == addresses
        assert connection.execute(select(func.count()).select_from(models.certificates)).scalar() == 1


def test_lines_are_committed_in_batches(database: Database, home: Path, tmp_path: Path) -> None:
    """Thousands of connections take a handful of transactions, not one each."""
    file = tmp_path / "capture"
    line = '{{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.{}.{}", "dst_port": 443}}\n'
    file.write_text("".join(line.format(index // 250, index % 250) for index in range(4000)))
    commits = 0

    @event.listens_for(database.engine, "commit")
    def _count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    pipeline = Pipeline(database, settings.load(), report=lambda _: None)
    stream = FileStream(file)
    assert pipeline.run(stream).accepted == 4000
    stream.close()
    pipeline.close()
    assert 0 < commits < 40


def test_writers_of_one_process_do_not_lock_each_other_out(database: Database) -> None:
    """Threads that write while others write wait their turn; none fails, and none waits for itself."""
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for index in range(20):
                row = {"address": f"11.{number}.0.{index}", "first_seen": 1.0, "last_seen": 1.0, "discovered": False}
                with database.writing() as connection:
                    connection.execute(insert(models.hosts), [row])
                    with database.reading() as other:
                        other.execute(select(func.count()).select_from(models.hosts))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(models.hosts)).scalar() == 120
