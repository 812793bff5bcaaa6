"""The task that makes one call of a geolocation provider, for jobs that wait for its quota.

Its message names no job: the worker reserves the call first, and then claims as many jobs as it takes. The sweep sends as
many of these messages as calls are worth making.
"""

import logging

from cobalt_tasks.celery import app
from cobalt_tasks.core.catalog import GEOLOCATION, PROVIDER_CALL_TASK
from cobalt_tasks.core.timeouts import LEASE_SECONDS
from workers.context import worker_context
from workers.tasks import BatchResult, run_claimed, send_following

log = logging.getLogger(__name__)


@app.task(name=PROVIDER_CALL_TASK, max_retries=2, default_retry_delay=1)
def provider_call(*arguments: object, **named: object) -> None:
    """Reserve a call, claim the jobs for it, make it, and commit the outcomes; do nothing if none is worth making."""
    if arguments or named:
        log.warning("a wake-up message with arguments is none of the dispatcher's and is dropped")
        return
    own = worker_context()
    call = own.geolocator.reserve(own.database, LEASE_SECONDS)
    batch = run_claimed(own, call.claim, lambda _, jobs: call.ask(jobs)) if call else BatchResult()
    send_following(own, GEOLOCATION, batch)
