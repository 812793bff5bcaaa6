"""A child ends with the process that made it, whichever of the two is slower."""

import subprocess
import sys

import pytest

CHILD = """
import os, sys, time
from cobalt_tasks.core.machine import end_with_parent
parent = os.getpid()
if os.fork():
    {parent}
else:
    {child}
    print("alive", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("os._exit(0)", "\n    while os.getppid() == parent: time.sleep(0.01)\n    end_with_parent(parent)"),
        ("time.sleep(0.3); os._exit(0)", "end_with_parent(parent); time.sleep(60)"),
    ],
)
def test_no_child_outlives_its_parent(parent: str, child: str) -> None:
    """Also one that was still starting when its parent was killed: the kernel would watch whoever took it in.

    Break: the look at the parent in `end_with_parent`.
    """
    program = CHILD.format(parent=parent, child=child)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == ""
