import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
import genie.core.ids
import genie.core.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
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
                ("organization_id", models.UUIDField()),
                ("name", models.TextField()),
                (
                    "url",
                    models.TextField(
                        db_comment="Null: its events are kept to be pulled, not sent", null=True
                    ),
                ),
                ("host", models.TextField(db_comment="host:port of the URL", null=True)),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        db_comment="The event types that it subscribes to",
                        size=None,
                    ),
                ),
                ("description", models.TextField(blank=True, default="")),
                (
                    "include_response",
                    models.BooleanField(
                        db_comment="Whether formats that may leave the result out bring it along",
                        default=False,
                    ),
                ),
                (
                    "header_names",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        db_comment="Of its own headers",
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "sealed_headers",
                    models.TextField(db_comment="Its own headers as JSON, encrypted", null=True),
                ),
                (
                    "sealed_secret",
                    models.TextField(db_comment="Encrypted; null once it is deleted", null=True),
                ),
                (
                    "previous_sealed_secret",
                    models.TextField(
                        db_comment="The secret before the latest rotation; signs too until it expires",
                        null=True,
                    ),
                ),
                ("previous_secret_expires_at", models.DateTimeField(null=True)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "disabled_reason",
                    models.TextField(
                        choices=[
                            ("disabled-by-caller", "Caller"),
                            ("gone", "Gone"),
                            ("failing", "Failing"),
                            ("deleted", "Deleted"),
                        ],
                        null=True,
                    ),
                ),
                ("disabled_at", models.DateTimeField(null=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                ("consecutive_failures", models.IntegerField(default=0)),
                (
                    "failing_since",
                    models.DateTimeField(db_comment="The first failure after a success", null=True),
                ),
                ("last_success_at", models.DateTimeField(db_comment="To the minute", null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=genie.core.models.DatabaseNow(), editable=False
                    ),
                ),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="delivery",
            name="webhooks_delivery_signed_while_pending",
        ),
        migrations.RemoveIndex(
            model_name="delivery",
            name="webhooks_delivery_due",
        ),
        migrations.AddField(
            model_name="delivery",
            name="format",
            field=models.TextField(
                choices=[
                    ("native", "Native"),
                    ("bifrost", "Bifrost"),
                    ("inference_net", "Inference Net"),
                ],
                db_default="native",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="resends",
            field=models.UUIDField(
                db_comment="The delivery whose id this one carries on the wire; null: its own",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="schedule",
            field=models.TextField(
                choices=[
                    ("native", "Native"),
                    ("registered", "Registered"),
                    ("bifrost", "Bifrost"),
                    ("inference_net", "Inference Net"),
                    ("once", "Once"),
                ],
                db_default="native",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="url",
            field=models.TextField(
                db_comment="Where the latest attempt went, or the first one is to go"
            ),
        ),
        migrations.AddIndex(
            model_name="endpoint",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["organization_id", "id"],
                name="webhooks_endpoint_org",
            ),
        ),
        migrations.AddIndex(
            model_name="endpoint",
            index=models.Index(
                condition=models.Q(("enabled", False)),
                fields=["id"],
                name="webhooks_endpoint_disabled",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=("organization_id", "name"),
                name="webhooks_endpoint_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name", ""), _negated=True),
                    django.db.models.lookups.LessThanOrEqual(
                        django.db.models.functions.text.Length("name"), 255
                    ),
                ),
                name="webhooks_endpoint_has_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("host__isnull", True), ("url__isnull", True)),
                    models.Q(
                        ("host__isnull", False),
                        ("url__isnull", False),
                        models.Q(("url", ""), _negated=True),
                        models.Q(("host", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="webhooks_endpoint_host_is_of_url",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("disabled_at__isnull", True),
                        ("disabled_reason__isnull", True),
                        ("enabled", True),
                    ),
                    models.Q(
                        ("disabled_at__isnull", False),
                        (
                            "disabled_reason__in",
                            ["disabled-by-caller", "gone", "failing", "deleted"],
                        ),
                        ("disabled_reason__isnull", False),
                        ("enabled", False),
                    ),
                    _connector="OR",
                ),
                name="webhooks_endpoint_disabled_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("deleted_at__isnull", True), ("sealed_secret__isnull", False)),
                    models.Q(
                        ("deleted_at__isnull", False),
                        ("enabled", False),
                        ("previous_sealed_secret__isnull", True),
                        ("sealed_headers__isnull", True),
                        ("sealed_secret__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="webhooks_endpoint_deleted_holds_no_secret",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("previous_sealed_secret__isnull", True),
                        ("previous_secret_expires_at__isnull", True),
                    ),
                    models.Q(
                        ("previous_sealed_secret__isnull", False),
                        ("previous_secret_expires_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="webhooks_endpoint_previous_secret_expires",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("consecutive_failures", 0), ("failing_since__isnull", True)),
                    models.Q(("consecutive_failures__gt", 0), ("failing_since__isnull", False)),
                    _connector="OR",
                ),
                name="webhooks_endpoint_failing_counts",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="endpoint",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deliveries",
                to="webhooks.endpoint",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("endpoint__isnull", True), ("state", "pending")),
                fields=["host", "next_attempt_at"],
                name="webhooks_delivery_due_host",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("endpoint__isnull", False), ("state", "pending")),
                fields=["endpoint", "next_attempt_at"],
                name="webhooks_delivery_due_endpoint",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("lease_expires_at__isnull", False)),
                fields=["lease_expires_at"],
                name="webhooks_delivery_leased",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("endpoint__isnull", False)),
                fields=["endpoint", "-created_at", "-id"],
                name="webhooks_delivery_of_endpoint",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "pending"), _negated=True),
                    ("endpoint__isnull", False),
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
                    ("endpoint__isnull", True),
                    models.Q(("sealed_secret__isnull", True), ("signed", True)),
                    _connector="OR",
                ),
                name="webhooks_delivery_to_an_endpoint_holds_no_secret",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("endpoint__isnull", False),
                    models.Q(("format", "native"), ("schedule", "native")),
                    _connector="OR",
                ),
                name="webhooks_delivery_of_one_request_is_native",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("format__in", ["native", "bifrost", "inference_net"])),
                name="webhooks_delivery_format",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("schedule__in", ["native", "registered", "bifrost", "inference_net", "once"])
                ),
                name="webhooks_delivery_schedule",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("endpoint__isnull", False), ("state", "pending")),
                fields=("endpoint", "event"),
                name="webhooks_delivery_once_at_a_time",
            ),
        ),
    ]
