"""The keys by which callers submit once."""

from django.db import models

from genie.core.models import DatabaseNow


class IdempotencyKey(models.Model):
    """The caller's own key for one submission; the same key and body name the same job."""

    organization = models.ForeignKey(
        "tenants.Organization", models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    body_digest = models.BinaryField(max_length=32)
    job_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotency_once_per_organization", fields=["organization", "key"]
            )
        ]
        indexes = [models.Index(name="idempotency_by_age", fields=["created_at"])]

    def __str__(self) -> str:
        return f"idempotency key of job {self.job_id}"
