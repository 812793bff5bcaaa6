"""Given to a worker with `-I`: SIGUSR2 hangs the loop of its main process for good, and the watchdog looks sooner."""

import os
import signal
import time

import workers.consumer_watchdog

if os.environ.get("TEST_DEAF"):
    workers.consumer_watchdog.LOOK_SECONDS = 0.5
    workers.consumer_watchdog.STALLED_SECONDS = float(os.environ["TEST_DEAF"])
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
