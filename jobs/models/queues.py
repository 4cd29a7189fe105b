"""What is noted of a queue as a whole: its pause, and how long its tickets travel."""

from django.db import models

from genie.core.models import DatabaseNow


class Canary(models.Model):
    """The latest ticket without a job that was sent to a queue, to time the way to its workers."""

    queue = models.CharField(primary_key=True, max_length=40)
    token = models.UUIDField()  # of the ticket; it is sent again, as it is, until it is answered
    sent_at = models.DateTimeField()
    tried_at = models.DateTimeField()  # when it was sent last
    answered_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, default="")  # that answered last
    latency_s = models.FloatField(null=True)  # of the last answer

    def __str__(self) -> str:
        return self.queue


class QueuePause(models.Model):
    """While a queue has one, no claim takes a job from it. Written by ``jobs.pauses`` alone."""

    queue = models.CharField(primary_key=True, max_length=40)
    reason = models.CharField(max_length=200, default="", db_default="", blank=True)
    paused_by = models.CharField(max_length=200, default="", db_default="", blank=True)
    paused_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        verbose_name = "paused queue"

    def __str__(self) -> str:
        return f"{self.queue}, since {self.paused_at:%Y-%m-%d %H:%M:%S}"
