"""The index by which operators look for what did not end well, made beside whatever writes."""

import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0021_content_by_end")]
    operations = [
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["failed", "cancelled", "timeout"])),
                fields=["state", "id"],
                name="job_unsuccessful",
            ),
        ),
    ]
