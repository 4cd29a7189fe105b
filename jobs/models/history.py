"""What has happened to a job: its transitions and its attempts."""

from django.db import models
from django.db.models import Q

from genie.core.models import DatabaseNow
from jobs.models.jobs import Job


class JobEvent(models.Model):
    """One transition of a job, appended in the transaction that made it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(
        max_length=24
    )  # job.queued, job.running, job.requeued, job.completed, ...
    attempt = models.SmallIntegerField()
    data = models.JSONField(default=dict)  # worker, reason: never a prompt
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [models.Index(name="jobevent_by_job", fields=["job", "id"])]

    def __str__(self) -> str:
        return f"{self.type} #{self.attempt}"


class Attempt(models.Model):
    """One execution of a job by one worker."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts", db_index=False)
    number = models.SmallIntegerField()  # from 1
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField(db_default=DatabaseNow())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(
        max_length=24, default="", blank=True
    )  # a terminal state, requeued, lost

    class Meta:
        constraints = [
            models.UniqueConstraint(name="attempt_once_per_number", fields=["job", "number"]),
            models.CheckConstraint(name="attempt_from_one", condition=Q(number__gte=1)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} on {self.worker}"
