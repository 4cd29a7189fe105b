"""The Celery application: queues, limits and the beat schedule. Each value says why it is so."""

import os
import sys

import django
from celery import Celery, signals
from django.conf import settings
from kombu import Exchange, Queue

from genie.core import broker, flower, startup
from inference.errors import RegistryError
from inference.types import Modality
from jobs import registry

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "genie.settings")

# One queue per modality, one for each model that has its own, and two for our own work. A ticket
# says "this queue has work".
MODALITY_QUEUES = tuple(map(str, Modality))
LONGEST_RUN_S = 3600
HOUR_S = 3600


def model_queues() -> list[str]:
    """Return the queues of models that do not wait among their modality's jobs."""
    try:
        return [name for name in registry.models().queues() if name not in MODALITY_QUEUES]
    except RegistryError:  # the system checks say what is wrong, and no process starts
        return []


app = Celery("genie")
app.conf.update(
    broker_url=settings.GENIE_BROKER_URL,
    broker_transport_options=broker.transport_options(
        settings.GENIE_BROKER_URL, longest_run_s=LONGEST_RUN_S
    ),
    broker_connection_timeout=broker.CONNECT_S,
    broker_heartbeat=broker.HEARTBEAT_S,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_accept_content=["json"],
    # A job's row is its result, so tickets write none; maintenance tasks ask for one, for the admin.
    task_ignore_result=True,
    result_backend="django-db",
    result_extended=True,
    result_expires=int(settings.GENIE_RESULT_TTL_S),
    task_queues=[
        Queue(name, Exchange("genie"), routing_key=name)
        for name in (*MODALITY_QUEUES, *model_queues(), *registry.SERVICE_QUEUES)
    ],
    task_default_exchange="genie",
    task_default_routing_key="maintenance",
    task_default_queue="maintenance",
    task_create_missing_queues=False,
    # A ticket is acknowledged once its work has been claimed; a killed worker's ticket comes back.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,  # keeps the redacting filter
    worker_cancel_long_running_tasks_on_connection_loss=False,  # a Redis blip must not end a job
    worker_send_task_events=True,  # Flower shows tickets with the job they carried; ids only
    task_send_sent_event=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_acquire_timeout=2,
    # A publish happens in a request: one bounded try, and the sweep sends what it missed.
    task_publish_retry=False,
    worker_enable_remote_control=True,
    enable_utc=True,
    timezone="UTC",
    beat_schedule={
        # Old runs expire rather than pile up while the maintenance worker is away.
        "expire": {"task": "jobs.expire", "schedule": 600, "options": {"expires": 600}},
        "erase": {"task": "jobs.erase", "schedule": 60, "options": {"expires": 60}},
        "verify-ledger": {
            "task": "jobs.verify_ledger",
            "schedule": HOUR_S,
            "options": {"expires": HOUR_S},
        },
    },
)
app.autodiscover_tasks()


@signals.celeryd_init.connect
@signals.beat_init.connect
def _refuse_unsound(**_: object) -> None:
    django.setup()  # Celery does so later
    startup.refuse_unsound()


# Flower sends no signal as it begins.
if flower.is_flower(sys.argv):
    _open = flower.problem(sys.argv, os.environ)
    if settings.PRODUCTION and _open is not None:
        raise SystemExit(f"This production does not start: {_open}")
    flower.configure(os.environ)
