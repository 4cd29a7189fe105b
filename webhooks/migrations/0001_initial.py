import django.db.models.deletion
import genie.core.ids
import genie.core.models
from django.db import migrations, models


# What has happened does not change: an event's bytes are what was signed, an attempt is a log line,
# and an ended delivery is not tried again. Deleting old rows stays possible.
TRIGGERS = """
CREATE FUNCTION webhooks_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% % does not change any more', TG_TABLE_NAME, OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER webhooks_event_is_final BEFORE UPDATE ON webhooks_event
  FOR EACH ROW EXECUTE FUNCTION webhooks_refuse_change();
CREATE TRIGGER webhooks_attempt_is_final BEFORE UPDATE ON webhooks_attempt
  FOR EACH ROW EXECUTE FUNCTION webhooks_refuse_change();
CREATE TRIGGER webhooks_delivery_ended_is_final BEFORE UPDATE ON webhooks_delivery
  FOR EACH ROW WHEN (OLD.state <> 'pending') EXECUTE FUNCTION webhooks_refuse_change();
"""

NO_TRIGGERS = """
DROP TRIGGER webhooks_delivery_ended_is_final ON webhooks_delivery;
DROP TRIGGER webhooks_attempt_is_final ON webhooks_attempt;
DROP TRIGGER webhooks_event_is_final ON webhooks_event;
DROP FUNCTION webhooks_refuse_change();
"""


class Migration(migrations.Migration):
    initial = True

    # genie_now() is the default of several columns.
    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Event",
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
                (
                    "type",
                    models.TextField(db_comment="Dot-delimited and past tense, like job.completed"),
                ),
                ("organization_id", models.UUIDField()),
                (
                    "reference",
                    models.UUIDField(db_comment="The job, or whatever else it is about", null=True),
                ),
                (
                    "body",
                    models.BinaryField(
                        db_comment="The bytes that are signed and sent; never serialised again"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=genie.core.models.DatabaseNow(), editable=False
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["organization_id", "created_at", "id"], name="webhooks_event_org"
                    ),
                    models.Index(fields=["reference"], name="webhooks_event_reference"),
                    models.Index(fields=["created_at"], name="webhooks_event_created"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("type", ""), _negated=True),
                        name="webhooks_event_has_type",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
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
                ("url", models.TextField()),
                (
                    "host",
                    models.TextField(
                        db_comment="host:port of the URL; what the bound on concurrency counts by"
                    ),
                ),
                ("signed", models.BooleanField(db_comment="Whether attempts carry signatures")),
                (
                    "sealed_secret",
                    models.TextField(
                        db_comment="Encrypted; deleted when the delivery ends", null=True
                    ),
                ),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("pending", "Pending"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                    ),
                ),
                (
                    "attempts",
                    models.IntegerField(
                        db_comment="Attempts begun; the fence that every write names", default=0
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        db_comment="Due from then on; while leased, the lease's end",
                        db_default=genie.core.models.DatabaseNow(),
                        null=True,
                    ),
                ),
                (
                    "lease_expires_at",
                    models.DateTimeField(db_comment="Set while an attempt is under way", null=True),
                ),
                (
                    "reason",
                    models.TextField(
                        db_comment="The latest failure, like timeout or http-503", null=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=genie.core.models.DatabaseNow(), editable=False
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="webhooks.event",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
            },
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
                (
                    "number",
                    models.IntegerField(
                        db_comment="The delivery's fence when it began; a gap is a lost attempt"
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("duration_ms", models.IntegerField()),
                (
                    "status",
                    models.IntegerField(db_comment="HTTP status, if one arrived", null=True),
                ),
                (
                    "error_class",
                    models.TextField(
                        db_comment="webhooks.errors.ErrorClass; null for a whole answer", null=True
                    ),
                ),
                (
                    "answer",
                    models.BinaryField(
                        db_comment="At most the first KiB of the answer's body, as received"
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log",
                        to="webhooks.delivery",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("delivery", "number"), name="webhooks_attempt_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("duration_ms__gte", 0), ("number__gte", 1)),
                        name="webhooks_attempt_counts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__isnull", False),
                            ("error_class__isnull", False),
                            _connector="OR",
                        ),
                        name="webhooks_attempt_has_an_answer_or_an_error",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")),
                fields=["host", "next_attempt_at"],
                name="webhooks_delivery_due",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")),
                fields=["next_attempt_at"],
                name="webhooks_delivery_next",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["-created_at", "-id"], name="webhooks_delivery_created"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["pending", "delivered", "failed"])),
                name="webhooks_delivery_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("attempts__gte", 0)), name="webhooks_delivery_attempts"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ended_at__isnull", True),
                        ("next_attempt_at__isnull", False),
                        ("state", "pending"),
                    ),
                    models.Q(
                        models.Q(("state", "pending"), _negated=True),
                        ("ended_at__isnull", False),
                        ("next_attempt_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="webhooks_delivery_pending_is_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "pending"),
                    models.Q(("lease_expires_at__isnull", True), ("sealed_secret__isnull", True)),
                    _connector="OR",
                ),
                name="webhooks_delivery_ended_holds_no_secret_and_no_lease",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "pending"), _negated=True),
                    models.Q(("sealed_secret__isnull", False), ("signed", True)),
                    models.Q(("sealed_secret__isnull", True), ("signed", False)),
                    _connector="OR",
                ),
                name="webhooks_delivery_signed_while_pending",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True),
                    ("reason__isnull", False),
                    _connector="OR",
                ),
                name="webhooks_delivery_failed_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("lease_expires_at__isnull", True),
                    ("next_attempt_at", models.F("lease_expires_at")),
                    _connector="OR",
                ),
                name="webhooks_delivery_lease_is_next_attempt",
            ),
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
