"""The locks, and an index on this disk that stands in for PyPI: what they pin, and newer releases of all of it.

The stand-in wheels carry the metadata of the installed packages, so that pip finds every extra and every dependency,
and no code, so that a set-up takes seconds and no network. Only the build backend is whole: it builds the project.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
RUNTIME, DEV, BUILD = "requirements.lock", "requirements-dev.lock", "requirements-build.lock"
NEWER = "9999.0"
_PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\\n]+?))? \\\n(?P<hashes>(?: {4}.*\n)+)", re.MULTILINE
)


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    version: str
    marker: Marker | None
    hashes: str

    def holds(self, environment: dict[str, str] | None = None) -> bool:
        """Tell whether it is installed in an environment; None is this one."""
        return self.marker is None or self.marker.evaluate(environment)


def pins(lock: str) -> dict[str, Pin]:
    """Return the packages of a lock by name."""
    text = (ROOT / lock).read_text()
    found = {
        each["name"]: Pin(each["version"], Marker(each["marker"]) if each["marker"] else None, each["hashes"])
        for each in _PIN.finditer(text)
    }
    assert len(found) == len(re.findall(r"(?m)^[^ #\n]", text)), f"{lock} has lines of a form that this does not read"
    return found


def metadata(name: str, version: str) -> str:
    """Return the METADATA of an installed package, which must be of the pinned version."""
    installed = distribution(name)
    assert installed.version == version, (
        f"{name} {installed.version} is installed, the lock has {version}: make setup-dev"
    )
    return installed.read_text("METADATA") or ""


class Index:
    """A folder as PEP 503 describes it."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty folder."""
        self.url = f"{folder.as_uri()}/simple"
        self._folder = folder / "simple"
        self._hashes: dict[tuple[str, str], str] = {}

    def copy(self, lock: str, target: Path) -> None:
        """Write a lock with the hashes of the stand-in wheels, and offer these and a newer release of each."""
        text = (ROOT / lock).read_text()
        for name, pin in pins(lock).items():
            if pin.holds():
                text = text.replace(pin.hashes, f"    --hash=sha256:{self._offer(name, pin.version)}\n")
        (target / lock).write_text(text)

    def _offer(self, name: str, version: str) -> str:
        if (name, version) not in self._hashes:
            told = metadata(name, version)
            whole = name in pins(BUILD)
            self._hashes[name, version] = self._wheel(name, version, told, _files(name) if whole else {})
            self._wheel(name, NEWER, re.sub(r"(?m)^Version: .*$", f"Version: {NEWER}", told, count=1), {})
        return self._hashes[name, version]

    def _wheel(self, name: str, version: str, told: str, files: dict[str, bytes]) -> str:
        """Write one wheel and its line on the package's page; return its hash."""
        stem = f"{name.replace('-', '_').replace('.', '_')}-{version}"
        info = f"{stem}.dist-info"
        tag = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        content = files | {f"{info}/METADATA": told.encode(), f"{info}/WHEEL": tag}
        record = "".join(f"{path},sha256={_base64(data)},{len(data)}\n" for path, data in content.items())
        page = self._folder / name
        page.mkdir(parents=True, exist_ok=True)
        wheel = page / f"{stem}-py3-none-any.whl"
        with ZipFile(wheel, "w") as archive:
            for path, data in content.items():
                archive.writestr(path, data)
            archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
        digest = sha256(wheel.read_bytes()).hexdigest()
        with (page / "index.html").open("a") as lines:
            lines.write(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a><br>\n')
        return digest


def _files(name: str) -> dict[str, bytes]:
    """Return the files of an installed package but its programs and what installing it added."""
    found = distribution(name)
    kept = (path for path in found.files or () if ".." not in path.parts and path.suffix != ".pyc")
    wanted = (path for path in kept if ".dist-info" not in path.parts[0] or path.name == "entry_points.txt")
    return {str(path): Path(str(found.locate_file(path))).read_bytes() for path in wanted}


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")
