"""Named by CELERY_CUSTOM_WORKER_POOL: a pool that says of itself what gevent's and eventlet's pools say."""

from celery.concurrency.solo import TaskPool


class GreenPool(TaskPool):
    """Patches nothing; what matters is that the worker refuses it."""

    is_green = True
