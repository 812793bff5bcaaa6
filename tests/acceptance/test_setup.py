"""The set-up: what `make setup-dev` and the image install, on a day when everything has a newer release."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.locks import BUILD, DEV, ROOT, RUNTIME, Index, metadata, pins

pytestmark = pytest.mark.source
SECONDS = 300
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOTS = {
    RUNTIME: PROJECT["project"]["dependencies"],
    DEV: PROJECT["project"]["dependencies"]
    + [each for each in PROJECT["dependency-groups"]["dev"] if isinstance(each, str)]
    + PROJECT["dependency-groups"]["build"],
    BUILD: PROJECT["build-system"]["requires"],
}
ENVIRONMENTS = [
    {"python_version": ".".join(full.split(".")[:2]), "python_full_version": full, "sys_platform": platform}
    | {"platform_system": system, "platform_machine": machine, "os_name": "posix", "implementation_name": "cpython"}
    for full in ("3.11.2", "3.11.9", "3.12.3", "3.13.0", "3.14.0")
    for platform, system, machine in (
        ("linux", "Linux", "x86_64"),
        ("linux", "Linux", "aarch64"),
        ("darwin", "Darwin", "arm64"),
    )
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The stand-in index, empty."""
    return Index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def checkout(index: Index, tmp_path: Path) -> Path:
    """A copy of what a set-up reads, with the locks' hashes changed to those of the stand-in wheels."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".*", "tests", "__pycache__", "*.lock")
    shutil.copytree(ROOT, folder, ignore=ignored)
    shutil.copy(ROOT / ".dockerignore", folder)
    for lock in (RUNTIME, DEV, BUILD):
        index.copy(lock, folder)
    return folder


@pytest.fixture
def environment(index: Index) -> dict[str, str]:
    """The environment of a user whose pip knows the stand-in index only, and has nothing in its cache."""
    ours = re.compile("PIP_|UV_|MAKE|MFLAGS|PYTHON|COV_|VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}


def installed(python: Path) -> dict[str, str]:
    """Return the versions of all packages that an environment has, but those that came with it."""
    listed = [python, "-m", "pip", "list", "--format", "json"]
    found = json.loads(subprocess.run(listed, capture_output=True, check=True, timeout=SECONDS).stdout)
    versions = {canonicalize_name(each["name"]): each["version"] for each in found}
    assert versions.pop("cobalt-tasks"), "the project itself"
    return {name: version for name, version in versions.items() if name not in {"pip", "setuptools"}}


def locked(*locks: str) -> dict[str, str]:
    """Return the versions that these locks have for this machine."""
    return {name: pin.version for lock in locks for name, pin in pins(lock).items() if pin.holds()}


def test_make_installs_the_locks_whatever_is_newer(checkout: Path, environment: dict[str, str]) -> None:
    """`make setup-dev` installs what the locks pin, and the project, though the index has newer releases of all of it."""
    done = subprocess.run(
        ["make", "setup-dev"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    python = checkout / ".venv" / "bin" / "python"
    assert installed(python) == locked(RUNTIME, BUILD, DEV)
    checked = subprocess.run(
        [python, "-m", "pip", "check"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert checked.returncode == 0, checked.stdout


def image_steps() -> Iterator[list[str]]:
    """The COPY and RUN lines of the image's first stage, split into words."""
    stage = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1]
    for line in stage.splitlines():
        if line.startswith(("COPY ", "RUN ")):
            yield line.split(maxsplit=1)


@pytest.mark.long
def test_the_image_installs_the_runtime_lock_and_no_backend(
    checkout: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """The Dockerfile's steps, done here in another folder: the runtime lock, the project, and nothing else."""
    sent = re.findall(r"(?m)^!(\S+)$", (checkout / ".dockerignore").read_text())
    for step, words in image_steps():
        here = re.sub(r"/(opt|src)\b", lambda found: str(tmp_path / found[1]), words)
        if step == "RUN":
            done = subprocess.run(
                here, shell=True, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
            continue
        *names, target = shlex.split(here)
        for name in names:
            assert name in sent, f"{name} does not reach the builder: .dockerignore"
            if (checkout / name).is_dir():
                shutil.copytree(checkout / name, target)
            else:
                Path(target).mkdir(exist_ok=True)
                shutil.copy(checkout / name, target)
    assert installed(tmp_path / "opt" / "cobalt" / "bin" / "python") == locked(RUNTIME)


@pytest.mark.parametrize("lock", [RUNTIME, DEV, BUILD])
def test_a_lock_holds_all_that_its_packages_need(lock: str) -> None:
    """On every Python and system: each dependency of each package, with its extras, in a version that is allowed."""
    has = pins(lock)
    missing = set()
    for environment in ENVIRONMENTS:
        waiting = [(Requirement(each), "") for each in ROOTS[lock]]
        seen: set[tuple[str, str]] = set()
        while waiting:
            wanted, extra = waiting.pop()
            name = canonicalize_name(wanted.name)
            if wanted.marker and not wanted.marker.evaluate(environment | {"extra": extra}):
                continue
            pin = has.get(name)
            if not pin or not pin.holds(environment) or not wanted.specifier.contains(pin.version, prereleases=True):
                missing.add(f"{wanted} on {environment['sys_platform']} {environment['python_full_version']}")
            elif pin.holds():  # what this machine has not installed cannot be asked what it needs
                for each in {(name, one) for one in ("", *wanted.extras)} - seen:
                    seen.add(each)
                    waiting += [(need, each[1]) for need in needs(name, pin.version)]
    assert not missing


def needs(name: str, version: str) -> list[Requirement]:
    """Return what an installed package asks for, with its markers."""
    return [Requirement(each) for each in re.findall(r"(?m)^Requires-Dist: (.+)$", metadata(name, version))]


def test_the_locks_agree() -> None:
    """The development lock holds the packages of the others in the same versions, as one environment gets them all.

    Its marker may name more systems, where one of its own packages needs the same there.
    """
    has = pins(DEV)
    for lock in (RUNTIME, BUILD):
        held = pins(lock)
        assert {name: pin.version for name, pin in held.items()} == {name: has[name].version for name in held}
        for environment in ENVIRONMENTS:
            assert {
                name for name, pin in held.items() if pin.holds(environment) and not has[name].holds(environment)
            } == set()


def test_every_package_is_installed_by_its_hash() -> None:
    """No file of ours has a pip command that could ask an index for anything but what a lock names."""
    files = [
        ROOT / "Makefile",
        ROOT / "Dockerfile",
        *ROOT.glob(".ci/*"),
        *ROOT.glob("tools/*.sh"),
        *ROOT.glob("docs/*.md"),
    ]
    commands = [line for file in files for line in commands_of(file.read_text())]
    assert len(commands) > 5
    for line in commands:
        assert "--no-deps" in line, line
        assert {"--require-hashes", "--no-index"} & set(line.split()), line
        assert ("--only-binary :all:" in line) or ("--no-build-isolation" in line) or line.endswith(".whl"), line


def commands_of(text: str) -> list[str]:
    """Return a file's pip commands, with the Makefile's words for them written out."""
    words = dict(re.findall(r"(?m)^([A-Z]+) := (.+)$", text))
    for _ in range(3):
        text = re.sub(r"\$\((INSTALL|LOCKED)\)", lambda found: words[found[1]], text)
    return re.findall(r"(?m)^(?:RUN|\t@).*\bpip (?:install|wheel).*$|^pip (?:install|wheel).*$", text)
