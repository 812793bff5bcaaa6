"""Given to a worker with `-I`: SIGUSR2 hangs the loop of its main process for good, and hearing is tested sooner."""

import os
import signal
import time

import workers.hearing

if os.environ.get("TEST_DEAF"):
    workers.hearing.LOOK_SECONDS = 0.5
    workers.hearing.DEAF_SECONDS = float(os.environ["TEST_DEAF"])
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
