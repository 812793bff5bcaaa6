"""Celery's settings, under their plain names. Queues and routes are computed from the catalog.

The reasons behind the numbers are in docs/operations.md; the measured ones come from running Celery 5.7 on Redis.
"""

from kombu import Queue

from cobalt_tasks.core import settings as _settings
from cobalt_tasks.core.catalog import ALERTS_TASK, GEOLOCATION, KINDS, LEVELS, PROVIDER_CALL_TASK, QUEUES, SWEEP_TASK
from cobalt_tasks.core.errors import exit_on_wrong_configuration
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.timeouts import HARD_LIMIT_SECONDS, SOFT_LIMIT_SECONDS, SWEEP_SECONDS, VISIBILITY_SECONDS

with exit_on_wrong_configuration():
    _loaded = _settings.load()

broker_url = _loaded.broker_url
imports = ("workers.tasks", "workers.provider_calls", "workers.control", "workers.consumer_watchdog", "workers.report")

# Queues: known ones only, so that a typo in -Q or in a route is an error and not a queue that no worker reads.
task_queues = [Queue(name) for name in QUEUES]
task_routes = {
    SWEEP_TASK: {"queue": CONTROL_QUEUE},
    ALERTS_TASK: {"queue": CONTROL_QUEUE},
    PROVIDER_CALL_TASK: {"queue": GEOLOCATION},
    **{kind.task: {"queue": kind.name} for kind in KINDS},
}
task_default_queue = CONTROL_QUEUE
task_create_missing_queues = False

# Strict order: levels over all queues of a worker, and nothing fetched ahead of what is being worked on.
broker_transport_options = {
    # Where the URL is that of a Sentinel.
    "master_name": _loaded.broker_master,
    "priority_steps": list(LEVELS),
    "queue_order_strategy": "priority",
    "visibility_timeout": VISIBILITY_SECONDS,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
worker_consumer = "workers.consumer:SteadyConsumer"
worker_prefetch_multiplier = 1
task_acks_late = True

# Loss: the ledger is the truth, a message only a hint; still, none is dropped that can be kept, and none loops.
task_reject_on_worker_lost = True
task_retry_on_worker_lost = True
task_soft_time_limit = SOFT_LIMIT_SECONDS
task_time_limit = HARD_LIMIT_SECONDS
worker_cancel_long_running_tasks_on_connection_loss = False
broker_connection_max_retries = None
broker_connection_retry_on_startup = True
# A Redis that is out of memory refuses a command in the middle of a delivery: reconnect, instead of ending the worker.
broker_channel_error_retry = True
worker_soft_shutdown_timeout = 5.0

# Results live in the database.
task_ignore_result = True
task_serializer = "json"
accept_content = ["json"]

# What Flower shows.
worker_send_task_events = True
task_send_sent_event = False

# Leaks in a child end with the child.
worker_max_tasks_per_child = 5000
worker_max_memory_per_child = 400_000

worker_hijack_root_logger = False
timezone = "UTC"

beat_schedule = {
    "sweep": {
        "task": SWEEP_TASK,
        "schedule": SWEEP_SECONDS,
        "options": {"queue": CONTROL_QUEUE, "priority": 0},
    },
}
beat_scheduler = "cobalt_tasks.jobs.beat:MonotonicScheduler"
