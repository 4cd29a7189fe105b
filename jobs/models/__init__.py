"""The tables of jobs. Private to this app."""

from jobs.models.files import File
from jobs.models.groups import Batch, BatchLine, JobGroup
from jobs.models.history import Attempt, JobEvent
from jobs.models.idempotency import IdempotencyKey
from jobs.models.jobs import Job
from jobs.models.queues import Canary, QueuePause
from jobs.models.turns import Booking, QueueClock, Weight
from jobs.models.workers import Worker

__all__ = [
    "Attempt",
    "Batch",
    "BatchLine",
    "Booking",
    "Canary",
    "File",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobGroup",
    "QueueClock",
    "QueuePause",
    "Weight",
    "Worker",
]
