"""Find the jobs of Oxen's queue without reading past an organisation's others."""

from django.db import migrations, models

import jobs.states


class Migration(migrations.Migration):
    dependencies = [("jobs", "0016_generations")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("facade", jobs.states.Facade["OXEN"])),
                fields=["organization", "-created_at", "-id"],
                name="job_of_media_queue",
            ),
        ),
    ]
