"""Who has paused a queue."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0024_traceparent")]
    operations = [
        migrations.AddField(
            model_name="queuepause",
            name="paused_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AlterModelOptions(name="queuepause", options={"verbose_name": "paused queue"}),
    ]
