"""Order queues by virtual time, and keep what that takes: clocks, bookings, weights, run times."""

import django.db.models.deletion
import genie.core.models
import jobs.states
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0013_workers"),
        ("tenants", "0002_application_alert_webhook"),
    ]

    operations = [
        migrations.CreateModel(
            name="Booking",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("queue", models.CharField(max_length=40)),
                ("lane", models.SmallIntegerField()),
                ("model", models.CharField(max_length=200)),
                ("organization_id", models.UUIDField()),
                ("application_id", models.UUIDField()),
                ("member_id", models.UUIDField()),
                ("booked_until", models.FloatField()),
                ("booked_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
            ],
        ),
        migrations.CreateModel(
            name="QueueClock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("queue", models.CharField(max_length=40)),
                ("lane", models.SmallIntegerField()),
                ("virtual_time", models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name="Weight",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("weight", models.PositiveIntegerField(default=100)),
            ],
        ),
        migrations.RemoveIndex(
            model_name="job",
            name="job_claim_order",
        ),
        migrations.AddField(
            model_name="job",
            name="lanes_up",
            field=models.SmallIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="start_tag",
            field=models.FloatField(db_default=0.0),
        ),
        migrations.AddField(
            model_name="job",
            name="work_s",
            field=models.FloatField(db_default=1.0),
        ),
        migrations.AddField(
            model_name="worker",
            name="service_times",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("parked_by__isnull", True), ("state", jobs.states.JobState["QUEUED"])
                ),
                fields=["queue", "lane", "start_tag", "id"],
                include=("organization", "model"),
                name="job_claim_order",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("parked_by__isnull", True), ("state", jobs.states.JobState["QUEUED"])
                ),
                fields=["queue", "model", "lane", "start_tag", "id"],
                name="job_model_order",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("parked_by__isnull", True),
                    ("state", jobs.states.JobState["QUEUED"]),
                    ("lanes_up__gt", 0),
                ),
                fields=["queue", "lane"],
                name="job_promoted",
            ),
        ),
        migrations.AddConstraint(
            model_name="booking",
            constraint=models.UniqueConstraint(
                fields=("queue", "lane", "model", "organization_id", "application_id", "member_id"),
                name="booking_once_per_caller",
            ),
        ),
        migrations.AddConstraint(
            model_name="queueclock",
            constraint=models.UniqueConstraint(
                fields=("queue", "lane"), name="queueclock_once_per_lane"
            ),
        ),
        migrations.AddField(
            model_name="weight",
            name="application",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tenants.application",
            ),
        ),
        migrations.AddField(
            model_name="weight",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="weight",
            constraint=models.UniqueConstraint(
                fields=("organization", "application"),
                name="weight_once_per_application",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="weight",
            constraint=models.CheckConstraint(
                condition=models.Q(("weight__gte", 1), ("weight__lte", 10000)),
                name="weight_within_bounds",
            ),
        ),
        # Rows that every admission moves on: room in their pages keeps that off the index.
        migrations.RunSQL(
            "ALTER TABLE jobs_booking SET (fillfactor = 50)",
            "ALTER TABLE jobs_booking RESET (fillfactor)",
        ),
        migrations.RunSQL(
            "ALTER TABLE jobs_queueclock SET (fillfactor = 20)",
            "ALTER TABLE jobs_queueclock RESET (fillfactor)",
        ),
    ]
