"""Jobs that are submitted together: groups, and batches with the lines that are no jobs yet."""

from django.db import models
from django.db.models import F, Q

from genie.core import ids
from genie.core.models import DatabaseNow
from jobs.models import choices
from jobs.states import Facade


class JobGroup(models.Model):
    """Jobs that were submitted together and whose common end is told once."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    facade = models.CharField(max_length=16, choices=choices.of(Facade))
    size = models.IntegerField()
    unended = models.IntegerField()  # members that have not ended; counted down by who ends them
    webhook_endpoint_id = models.UUIDField(null=True)  # is told when all have ended
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="group_counts_down",
                condition=Q(size__gte=1, unended__gte=0, unended__lte=F("size")),
            )
        ]

    def __str__(self) -> str:
        return f"group {self.pk} ({self.size - self.unended} of {self.size} ended)"


class Batch(models.Model):
    """A file of requests that its caller wants answered within a day, as a file. See ``jobs.batches``.

    It is checked; then the money of all its lines is held, it begins, and has a group with its id.
    Its lines wait beside the queues, and become jobs of the group as these have room. One that is
    refused as a whole has errors and no group.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    requester = models.JSONField(default=dict)  # who asked, and which models it was allowed then
    endpoint = models.CharField(max_length=64)
    input_file_id = models.UUIDField()
    output_lifetime_s = models.FloatField(null=True)  # of the files; null: until they are deleted
    metadata = models.JSONField(null=True)
    size = models.IntegerField(default=0, db_default=0)  # lines; 0 while it is checked
    errors = models.JSONField(null=True)  # of the lines, or of all: why it was refused
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField()  # what has not begun by then is not begun
    # Which check of it is under way, and until when that must have said that it goes on.
    check_id = models.UUIDField(null=True)
    checked_until = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    held_microcredits = models.BigIntegerField(null=True)  # for all lines; null: each has its own
    fed = models.IntegerField(default=0, db_default=0)  # lines that have become jobs
    closed_at = models.DateTimeField(null=True)  # from then on no line becomes a job
    cancelling_at = models.DateTimeField(null=True)
    # When its files were written, or it was refused; from then on nothing of it changes.
    concluded_at = models.DateTimeField(null=True)
    counts = models.JSONField(null=True)  # of its jobs, as they were when it was concluded
    output_file_id = models.UUIDField(null=True)
    error_file_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="batch_refused_is_concluded",
                condition=Q(errors__isnull=True)
                | Q(
                    concluded_at__isnull=False,
                    cancelling_at__isnull=True,
                    output_file_id__isnull=True,
                    error_file_id__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="batch_files_once_concluded",
                condition=Q(concluded_at__isnull=False)
                | Q(output_file_id__isnull=True, error_file_id__isnull=True),
            ),
            models.CheckConstraint(
                name="batch_feeds_once_begun",
                condition=Q(
                    begun_at__isnull=True,
                    held_microcredits__isnull=True,
                    closed_at__isnull=True,
                    fed=0,
                )
                | Q(begun_at__isnull=False, errors__isnull=True, fed__gte=0, fed__lte=F("size")),
            ),
        ]
        indexes = [
            models.Index(
                name="batch_by_organization", fields=["organization", "-created_at", "-id"]
            ),
            models.Index(
                name="batch_open", fields=["created_at"], condition=Q(concluded_at__isnull=True)
            ),
        ]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return f"batch {self.pk} of {self.size} lines"


class BatchLine(models.Model):
    """A line of a batch that has not become a job yet; its row goes in the transaction that makes it one."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)  # the job's
    batch = models.ForeignKey(Batch, models.CASCADE, db_index=False, related_name="+")
    number = models.IntegerField()  # of the lines that are not blank, from 1
    job = models.TextField()  # a ``moves.NewJob`` as JSON, as it was checked and priced
    webhook_secret = models.TextField(null=True)  # the job's; sealed

    class Meta:
        constraints = [
            models.UniqueConstraint(name="batchline_by_batch", fields=["batch", "number"])
        ]

    def __str__(self) -> str:
        return f"line {self.number} of a batch"
