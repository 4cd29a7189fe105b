"""The trace that the attempts of an event go on with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0003_event_expires"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="traceparent",
            field=models.TextField(
                db_comment="The trace that its attempts go on with, as W3C's header", null=True
            ),
        ),
    ]
