"""Add the channel of the web process that waits for a job."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_view_prompt")]
    operations = [
        migrations.AddField(
            model_name="job",
            name="reply_to",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        )
    ]
