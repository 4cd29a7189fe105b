"""Batches whose lines wait beside the queues, and become jobs as these have room."""

import django.db.models.deletion
import genie.core.ids
from django.db import migrations, models


# Until now all lines of a batch became jobs at once, each with a hold of its own.
ALL_FED = """
UPDATE jobs_batch SET begun_at = created_at, fed = size, closed_at = created_at WHERE errors IS NULL;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0019_batches"),
        ("tenants", "0002_application_alert_webhook"),
    ]

    operations = [
        migrations.CreateModel(
            name="BatchLine",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=genie.core.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.IntegerField()),
                ("job", models.TextField()),
                ("webhook_secret", models.TextField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="batch",
            name="begun_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="check_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="checked_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="closed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="counts",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="fed",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="batch",
            name="held_microcredits",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="output_lifetime_s",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="requester",
            field=models.JSONField(default=dict),
        ),
        migrations.AlterField(
            model_name="batch",
            name="size",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.RunSQL(ALL_FED, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("begun_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("fed", 0),
                        ("held_microcredits__isnull", True),
                    ),
                    models.Q(
                        ("begun_at__isnull", False),
                        ("errors__isnull", True),
                        ("fed__gte", 0),
                        ("fed__lte", models.F("size")),
                    ),
                    _connector="OR",
                ),
                name="batch_feeds_once_begun",
            ),
        ),
        migrations.AddField(
            model_name="batchline",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="jobs.batch",
            ),
        ),
        migrations.AddConstraint(
            model_name="batchline",
            constraint=models.UniqueConstraint(
                fields=("batch", "number"), name="batchline_by_batch"
            ),
        ),
    ]
