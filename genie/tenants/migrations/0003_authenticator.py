"""Second factors in a table of our own, sealed; those in django-otp's, which are not, are void."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Whoever has one is enrolled again by `manage.py second_factor enroll`: an unsealed key may be in any
# backup, so it is not carried over.
_UNSEALED = (
    "DROP TABLE IF EXISTS otp_static_statictoken",
    "DROP TABLE IF EXISTS otp_static_staticdevice",
    "DROP TABLE IF EXISTS otp_totp_totpdevice",
)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_application_alert_webhook")]

    operations = [
        migrations.CreateModel(
            name="Authenticator",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The human-readable name of this device.", max_length=64
                    ),
                ),
                (
                    "confirmed",
                    models.BooleanField(default=True, help_text="Is this device ready for use?"),
                ),
                (
                    "throttling_failure_timestamp",
                    models.DateTimeField(
                        blank=True,
                        default=None,
                        help_text="A timestamp of the last failed verification attempt. Null if last attempt succeeded.",
                        null=True,
                    ),
                ),
                (
                    "throttling_failure_count",
                    models.PositiveIntegerField(
                        default=0, help_text="Number of successive failed attempts."
                    ),
                ),
                ("secrets", models.TextField()),
                ("last_step", models.BigIntegerField(default=-1)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user",), name="tenants_authenticator_one_per_user"
                    )
                ],
            },
        ),
        migrations.RunSQL(list(_UNSEALED), reverse_sql=migrations.RunSQL.noop),
    ]
