"""Index what the organisation's latest jobs of a model generated, for quotes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_park")]
    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", "completed")),
                fields=["organization", "model", "-completed_at"],
                include=["completion_tokens"],
                name="job_usual_completion",
            ),
        )
    ]
