"""The tables of jobs, with their checks and partial indexes."""

import django.contrib.postgres.fields
import django.db.models.deletion
import genie.core.ids
import genie.core.models
import jobs.states
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_initial"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
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
                ("application_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("user_id", models.UUIDField(null=True)),
                ("api_key_id", models.UUIDField(null=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("chat", "chat"), ("embedding", "embedding")], max_length=16
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[("sync", "sync"), ("stream", "stream"), ("async", "async")],
                        max_length=8,
                    ),
                ),
                ("queue", models.CharField(max_length=16)),
                (
                    "lane",
                    models.SmallIntegerField(
                        choices=[(0, "interactive"), (1, "normal"), (2, "slow")]
                    ),
                ),
                ("requested_model", models.CharField(max_length=200)),
                ("model", models.CharField(max_length=200)),
                ("request", models.JSONField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("timeout", "timeout"),
                        ],
                        default=jobs.states.JobState["QUEUED"],
                        max_length=12,
                    ),
                ),
                ("attempt", models.SmallIntegerField(default=0)),
                ("max_attempts", models.SmallIntegerField()),
                ("worker", models.CharField(blank=True, default="", max_length=120)),
                ("lease_expires_at", models.DateTimeField(null=True)),
                ("not_before", models.DateTimeField(null=True)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
                ("cancel_reason", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
                ("started_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("start_deadline_at", models.DateTimeField()),
                ("run_limit_s", models.FloatField()),
                ("run_deadline_at", models.DateTimeField(null=True)),
                ("ticketed_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
                ("price_version", models.CharField(max_length=40)),
                ("estimate_microcredits", models.BigIntegerField()),
                ("cost_microcredits", models.BigIntegerField(null=True)),
                ("prompt_tokens", models.IntegerField(default=0)),
                ("completion_tokens", models.IntegerField(default=0)),
                ("result", models.JSONField(null=True)),
                ("error", models.JSONField(null=True)),
                (
                    "delta_ends",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), null=True, size=None
                    ),
                ),
                ("first_seq", models.IntegerField(default=1)),
                ("webhook_url", models.TextField(blank=True, default="")),
                ("webhook_secret", models.TextField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.SmallIntegerField()),
                ("worker", models.CharField(max_length=120)),
                ("started_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
                ("ended_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, default="", max_length=24)),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="jobs.job",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="JobEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("type", models.CharField(max_length=24)),
                ("attempt", models.SmallIntegerField()),
                ("data", models.JSONField(default=dict)),
                ("at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="jobs.job",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("name", models.CharField(max_length=120, primary_key=True, serialize=False)),
                (
                    "queues",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), size=None
                    ),
                ),
                ("slots", models.IntegerField(default=0)),
                ("running", models.IntegerField(default=0)),
                (
                    "loaded_models",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200), default=list, size=None
                    ),
                ),
                ("jobs_per_s", models.JSONField(default=dict)),
                ("started_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
                ("heartbeat_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
            ],
            options={
                "indexes": [models.Index(fields=["heartbeat_at"], name="worker_by_heartbeat")],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                ("body_digest", models.BinaryField(max_length=32)),
                ("job_id", models.UUIDField()),
                ("created_at", models.DateTimeField(db_default=genie.core.models.DatabaseNow())),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="idempotency_by_age")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "key"), name="idempotency_once_per_organization"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", jobs.states.JobState["QUEUED"])),
                fields=["queue", "lane", "created_at", "id"],
                name="job_claim_order",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", jobs.states.JobState["RUNNING"])),
                fields=["lease_expires_at"],
                name="job_leases",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", jobs.states.JobState["QUEUED"])),
                fields=["start_deadline_at"],
                name="job_start_deadlines",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["organization", "-created_at", "-id"], name="job_by_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ["queued", "running", "completed", "failed", "cancelled", "timeout"],
                    )
                ),
                name="job_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["sync", "stream", "async"])), name="job_mode_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("attempt__gte", 0), ("attempt__lte", models.F("max_attempts"))),
                name="job_attempt_within_max",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("attempt__gte", 1),
                        ("lease_expires_at__isnull", False),
                        ("state", jobs.states.JobState["RUNNING"]),
                    ),
                    models.Q(
                        models.Q(("state", jobs.states.JobState["RUNNING"]), _negated=True),
                        ("lease_expires_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="job_running_has_lease",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("completed_at__isnull", False),
                        ("cost_microcredits__isnull", False),
                        (
                            "state__in",
                            [
                                jobs.states.JobState["CANCELLED"],
                                jobs.states.JobState["COMPLETED"],
                                jobs.states.JobState["FAILED"],
                                jobs.states.JobState["TIMEOUT"],
                            ],
                        ),
                    ),
                    models.Q(
                        models.Q(
                            (
                                "state__in",
                                [
                                    jobs.states.JobState["CANCELLED"],
                                    jobs.states.JobState["COMPLETED"],
                                    jobs.states.JobState["FAILED"],
                                    jobs.states.JobState["TIMEOUT"],
                                ],
                            ),
                            _negated=True,
                        ),
                        ("completed_at__isnull", True),
                        ("cost_microcredits__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="job_terminal_has_end_and_cost",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("error__isnull", True),
                        ("result__isnull", False),
                        ("state", jobs.states.JobState["COMPLETED"]),
                    ),
                    models.Q(
                        models.Q(("state", jobs.states.JobState["COMPLETED"]), _negated=True),
                        ("result__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="job_result_only_when_completed",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("error__isnull", False),
                        (
                            "state__in",
                            [
                                jobs.states.JobState["CANCELLED"],
                                jobs.states.JobState["FAILED"],
                                jobs.states.JobState["TIMEOUT"],
                            ],
                        ),
                    ),
                    models.Q(
                        models.Q(
                            (
                                "state__in",
                                [
                                    jobs.states.JobState["CANCELLED"],
                                    jobs.states.JobState["FAILED"],
                                    jobs.states.JobState["TIMEOUT"],
                                ],
                            ),
                            _negated=True,
                        ),
                        ("error__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="job_error_when_ended_otherwise",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("estimate_microcredits__gte", 0),
                    models.Q(
                        ("cost_microcredits__isnull", True),
                        models.Q(
                            ("cost_microcredits__gte", 0),
                            ("cost_microcredits__lte", models.F("estimate_microcredits")),
                        ),
                        _connector="OR",
                    ),
                ),
                name="job_cost_within_estimate",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("completion_tokens__gte", 0), ("prompt_tokens__gte", 0)),
                name="job_tokens_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                fields=("job", "number"), name="attempt_once_per_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1)), name="attempt_from_one"
            ),
        ),
        migrations.AddIndex(
            model_name="jobevent",
            index=models.Index(fields=["job", "id"], name="jobevent_by_job"),
        ),
    ]
