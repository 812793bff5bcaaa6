"""recog's own fingerprints, which are no part of Cobalt: `make test-recog RECOG_XML=FOLDER` runs this by name."""

import os
from pathlib import Path

from click.testing import CliRunner

from cobalt_tasks.cli import cobalt


def test_recog_itself(tmp_path: Path) -> None:
    """At least 6,500 of its 7,525 examples have their own values."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    environment = {"COBALT_HOME": str(home)}
    update = ["fingerprints", "update", "--from", os.environ["RECOG_XML"]]
    assert CliRunner().invoke(cobalt, update, env=environment).exit_code == 0
    found = CliRunner().invoke(cobalt, ["fingerprints", "test"], env=environment)
    assert int(found.output.split()[0].replace(",", "")) >= 6500
