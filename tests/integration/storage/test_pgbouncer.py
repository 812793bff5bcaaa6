"""PgBouncer before PostgreSQL, in transaction mode, where each transaction may get another connection."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

import psycopg
import pytest

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from tests.conftest import free_port
from tests.support.waiting import PATIENCE

ROUNDS = 30


@pytest.fixture(params=["", "ignore_startup_parameters = options,extra_float_digits"])
def bouncer_url(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """A PgBouncer with two connections to an empty database; it refuses options, or ignores them."""
    folder, port, server = Path(mkdtemp(prefix="cobalt-pb-")), free_port(), urlsplit(postgres_url)
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\n"
        f"pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 8\n{request.param}\n"
    )
    as_user: list[str] = []
    if os.geteuid() == 0:
        # PgBouncer refuses to run as root.
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    process = subprocess.Popen([*as_user, program, "-q", str(folder / "ini")], cwd="/", stderr=subprocess.DEVNULL)
    url = f"postgresql://postgres@127.0.0.1:{port}{server.path}"
    deadline = time.monotonic() + 30
    while not _answers(url):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(PATIENCE)
    shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_ledger_lives_behind_it(bouncer_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are made, and clients that share its connections make and claim each job once, also when they repeat
    themselves often enough for the driver to prepare statements.

    Break: `_connect` in db/engine.py.
    """
    monkeypatch.setenv("COBALT_DATABASE_URL", bouncer_url)
    loaded = environment.load()
    clients = [open_ledger(loaded) for _ in range(3)]
    claimed: list[int] = []
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            for each in range(ROUNDS):
                new = [NewJob(kind="domain", address=f"127.{number}.{each}.{last}") for last in range(1, 4)]
                clients[number].write(creation.create, new)
                sent = clients[number].write(jobs.mark_sent, "domain", 2, 3)
                claim = clients[number].write(jobs.claim, "domain", [job.id for job in sent], 60.0)
                claimed.extend(job.id for job in claim.jobs)
        except Exception as error:  # noqa: BLE001  # shown at the end
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.dispose()
    assert failed == []
    assert len(claimed) == len(set(claimed)) == 3 * 3 * ROUNDS


def test_a_full_one_is_waited_for(bouncer_url: str, home: Path, tmp_path: Path) -> None:
    """`cobalt ingest FILE` says what it waits for, and stores the file when there is room.

    Break: `_is_hopeless` in ingest/run.py, or availability.py.
    """
    others = [psycopg.connect(bouncer_url) for _ in range(8)]
    file = tmp_path / "lines"
    file.write_text('{"type": "connection", "src_ip": "192.0.2.1", "dst_ip": "192.0.2.2", "dst_port": 1}\n')
    command = [sys.executable, "-m", "cobalt_tasks", "ingest", "capture", str(file)]
    changed = {**os.environ, "COBALT_DATABASE_URL": bouncer_url, "COBALT_BROKER_URL": "redis://127.0.0.1:1"}
    process = subprocess.Popen(command, env=changed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    for other in others:
        other.close()
    ledger, rest = process.communicate(timeout=PATIENCE)
    assert "no more connections allowed" in first
    assert "waiting for it" in first
    assert process.returncode == 0, rest
    assert "1 read = 1 accepted" in ledger


def test_one_that_refuses_is_one_line(postgres_url: str, home: Path, tmp_path: Path) -> None:
    """A database that does not exist is not waited for, by a file or by a pipe, whose bytes stay in the journal."""
    url = postgres_url.rpartition("/")[0] + "/of-nobody"
    changed = {**os.environ, "COBALT_DATABASE_URL": url, "COBALT_BROKER_URL": "redis://127.0.0.1:1"}
    for name in (str(tmp_path / "lines"), "-"):
        (tmp_path / "lines").write_text("{}\n")
        done = subprocess.run(
            [sys.executable, "-m", "cobalt_tasks", "ingest", "capture", name],
            env=changed,
            input="{}\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 1
        assert "COBALT_DATABASE_URL" in done.stderr
        assert "does not exist" in done.stderr
        assert "Traceback" not in done.stderr
