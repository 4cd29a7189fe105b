"""The index that retention and erasure read by, made beside whatever writes."""

import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0020_batches_are_fed")]
    operations = [
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("completed_at__isnull", False), models.Q(("request", {}), _negated=True)
                ),
                fields=["organization", "completed_at"],
                name="job_by_end_with_content",
            ),
        ),
    ]
