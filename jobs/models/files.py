"""The rows of the files in the storage."""

from django.db import models
from django.db.models import Q

from genie.core import ids
from genie.core.models import DatabaseNow
from jobs.models import choices
from jobs.states import FileRole


class File(models.Model):
    """Bytes in the storage: what a caller sent for a job, what a job made, or what is kept beside jobs.

    The row comes before the content and goes after it, so that no content is without a row.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, db_index=False, related_name="+"
    )
    job_id = models.UUIDField(null=True)  # null until a job that names it has been committed
    attempt = models.SmallIntegerField(null=True)  # which one made it; null for an input
    # The job has completed with it; or, of an upload, its content is there.
    kept = models.BooleanField(default=False, db_default=False)
    role = models.CharField(max_length=8, choices=choices.of(FileRole))
    # What a public address ends in: 256 bits that nobody can guess. An input has no address.
    token = models.CharField(max_length=43, null=True)
    name = models.CharField(max_length=200)  # in the storage
    media_type = models.CharField(max_length=100)
    size = models.BigIntegerField()  # bytes
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField(null=True)  # null: kept for good
    # Of an upload: what its sender calls it, and what for.
    filename = models.CharField(max_length=255, default="", db_default="", blank=True)
    purpose = models.CharField(max_length=24, default="", db_default="", blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="file_role_and_address",
                condition=Q(role=FileRole.INPUT, token__isnull=True, attempt__isnull=True)
                | Q(
                    role=FileRole.UPLOAD,
                    token__isnull=True,
                    attempt__isnull=True,
                    job_id__isnull=True,
                )
                | Q(
                    role=FileRole.OUTPUT,
                    token__isnull=False,
                    attempt__isnull=False,
                    job_id__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="file_kept_is_no_input", condition=Q(kept=False) | ~Q(role=FileRole.INPUT)
            ),
            models.CheckConstraint(name="file_size_not_negative", condition=Q(size__gte=0)),
            models.UniqueConstraint(name="file_token_once", fields=["token"]),
            models.UniqueConstraint(name="file_name_once", fields=["name"]),
        ]
        indexes = [
            models.Index(name="file_by_job", fields=["job_id"]),
            # The sweep looks at what no completed job has, which is little, and at what expires.
            models.Index(name="file_not_kept", fields=["created_at"], condition=Q(kept=False)),
            models.Index(
                name="file_uploads",
                fields=["organization", "-created_at", "-id"],
                include=["size"],
                condition=Q(role=FileRole.UPLOAD),
            ),
            models.Index(
                name="file_by_expiry", fields=["expires_at"], condition=Q(expires_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.pk} ({self.media_type}, {self.size} bytes)"
