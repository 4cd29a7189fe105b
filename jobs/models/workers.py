"""The worker processes that have been seen."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from genie.core.models import DatabaseNow


class Worker(models.Model):
    """A worker process that has been seen, and what it serves: /ready, no-worker, /v1/models."""

    name = models.CharField(primary_key=True, max_length=120)
    queues = ArrayField(models.CharField(max_length=40))
    slots = models.IntegerField(default=0)
    running = models.IntegerField(default=0)
    loaded_models = ArrayField(models.CharField(max_length=200), default=list)
    # Of its queues, those whose models it has tried to load: what it serves without delay.
    ready_queues = ArrayField(models.CharField(max_length=40), default=list, db_default=[])
    jobs_per_s = models.JSONField(
        default=dict
    )  # queue to how many jobs it can end a second, lately
    # Model to the run times of its latest jobs, as jobs.service_times writes them.
    service_times = models.JSONField(default=dict, db_default={})
    started_at = models.DateTimeField(db_default=DatabaseNow())
    heartbeat_at = models.DateTimeField(db_default=DatabaseNow())
    left_at = models.DateTimeField(null=True, blank=True)  # it was stopped in order
    # Why it is being replaced, in words for operators; empty while nothing is wrong.
    trouble = models.CharField(max_length=200, blank=True, default="", db_default="")
    # Bytes of device memory of each loaded model; and the most that all together may have.
    model_bytes = models.JSONField(default=dict, db_default={})
    memory_budget_bytes = models.BigIntegerField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(name="worker_by_heartbeat", fields=["heartbeat_at"])]

    def __str__(self) -> str:
        return self.name
