"""The trace that a job goes on with; null where its request was not traced."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0023_pauses"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="traceparent",
            field=models.CharField(max_length=55, null=True),
        ),
    ]
