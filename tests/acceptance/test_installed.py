"""The package as it is installed: from a wheel, in any directory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import PROGRAMS
from tests.support.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.source
TASKS = (
    "cobalt.banner",
    "cobalt.domain",
    "cobalt.geolocation",
    "cobalt.certificate",
    "cobalt.sweep",
    "cobalt.provider_call",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built wheel's content, which comes before the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(build, cwd=ROOT, check=True, timeout=PATIENCE, stderr=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, timeout=PATIENCE, stderr=subprocess.DEVNULL)
    return target


@pytest.fixture
def environment(installed: Path, home: Path, redis_url: str) -> dict[str, str]:
    """The installed package, a state folder of its own, the private Redis."""
    return os.environ | {"PYTHONPATH": str(installed), "COBALT_HOME": str(home), "COBALT_BROKER_URL": redis_url}


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """A worker on the banner queue, started in a folder that has nothing to do with us; its log."""
    log = tmp_path / "worker.log"
    command = [str(PROGRAMS / "celery"), "-A", "cobalt_tasks", "worker", "-Q", "banner", "-c", "4", "-l", "INFO"]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
    yield log
    process.terminate()
    process.wait(PATIENCE)


def test_a_worker_starts_anywhere_and_says_its_tasks(worker: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """`celery -A cobalt_tasks worker` and `inspect registered` work from the wheel in an unrelated directory."""
    wait_until(lambda: "ready." in worker.read_text(), "the worker is ready")
    assert "/site/" in subprocess.run(
        [sys.executable, "-c", "import cobalt_tasks; print(cobalt_tasks.__file__)"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=PATIENCE,
    ).stdout  # fmt: skip
    inspected = subprocess.run(
        [str(PROGRAMS / "celery"), "-A", "cobalt_tasks", "inspect", "registered", "-t", "5"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert inspected.returncode == 0, inspected.stderr
    for task in TASKS:
        assert task in inspected.stdout


def test_an_unknown_queue_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """A typo in -Q ends the worker with a word about it, instead of a queue nobody sends to."""
    done = subprocess.run(
        [str(PROGRAMS / "celery"), "-A", "cobalt_tasks", "worker", "-Q", "baner"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode != 0
    assert "baner" in done.stderr + done.stdout
