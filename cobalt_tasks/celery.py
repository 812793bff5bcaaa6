"""The Celery app: `celery -A cobalt_tasks …`."""

from celery import Celery

app = Celery("cobalt_tasks")
app.config_from_object("celeryconfig")
