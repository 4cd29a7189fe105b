import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.utils.timezone
import genie.core.ids
import genie.tenants.models
from django.conf import settings
from django.db import migrations, models


# A key's application and holder are of the key's own organization, whatever path wrote the row.
SAME_ORGANIZATION = """
ALTER TABLE tenants_api_key
  ADD CONSTRAINT tenants_api_key_application_same_organization
  FOREIGN KEY (organization_id, application_id) REFERENCES tenants_application (organization_id, id);
ALTER TABLE tenants_api_key
  ADD CONSTRAINT tenants_api_key_member_same_organization
  FOREIGN KEY (organization_id, member_id) REFERENCES tenants_member (organization_id, id);
"""

ANY_ORGANIZATION = """
ALTER TABLE tenants_api_key DROP CONSTRAINT tenants_api_key_application_same_organization;
ALTER TABLE tenants_api_key DROP CONSTRAINT tenants_api_key_member_same_organization;
"""

# Revocation is final, and a key stays the secret and the tenant's that it was made as.
FINAL = """
CREATE FUNCTION tenants_api_key_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
    RAISE EXCEPTION 'revocation of key % is final', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tenants_api_key_revocation_final';
  END IF;
  IF NEW.digest <> OLD.digest OR NEW.organization_id <> OLD.organization_id THEN
    RAISE EXCEPTION 'key % keeps its secret and its organization', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tenants_api_key_identity_fixed';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER tenants_api_key_guard
  BEFORE UPDATE OF revoked_at, digest, organization_id ON tenants_api_key
  FOR EACH ROW EXECUTE FUNCTION tenants_api_key_guard();
"""

NOT_FINAL = """
DROP TRIGGER tenants_api_key_guard ON tenants_api_key;
DROP FUNCTION tenants_api_key_guard();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="date joined"
                    ),
                ),
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
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "abstract": False,
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="Organization",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("slug", models.CharField(max_length=48)),
                ("name", models.CharField(max_length=200)),
                ("is_free_tier", models.BooleanField(default=False)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("slug",), name="tenants_organization_slug_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("slug__regex", "^[a-z0-9-]{1,48}$"),
                            models.Q(
                                ("slug__regex", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
                                _negated=True,
                            ),
                        ),
                        name="tenants_organization_slug_form",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Member",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("member", "Member"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="members",
                        to="tenants.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Application",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="applications",
                        to="tenants.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("digest", models.BinaryField(max_length=32)),
                ("pepper_version", models.PositiveSmallIntegerField()),
                (
                    "allowed_models",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "allowed_cidrs",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        default=genie.tenants.models.default_scopes,
                        size=None,
                    ),
                ),
                ("rate_limit_rpm", models.IntegerField(blank=True, null=True)),
                ("rate_limit_rpd", models.IntegerField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "application",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="tenants.application",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="tenants.member",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "db_table": "tenants_api_key",
            },
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(fields=["user", "created_at", "id"], name="tenants_member_oldest"),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.UniqueConstraint(
                fields=("organization", "user"), name="tenants_member_user_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="tenants_member_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "admin", "member"])),
                name="tenants_member_role_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(
                fields=("organization", "name"), name="tenants_application_name_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="tenants_application_in_organization"
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["organization", "-id"], name="tenants_api_key_listed"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["application"], name="tenants_api_key_application"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["member"], name="tenants_api_key_member"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(
                fields=("digest",), name="tenants_api_key_digest_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    django.db.models.functions.text.Length("digest"), 32
                ),
                name="tenants_api_key_digest_length",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("rate_limit_rpm__isnull", True), ("rate_limit_rpm__gt", 0), _connector="OR"
                ),
                name="tenants_api_key_rpm_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("rate_limit_rpd__isnull", True), ("rate_limit_rpd__gt", 0), _connector="OR"
                ),
                name="tenants_api_key_rpd_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scopes__contained_by",
                        ["inference", "jobs:read", "webhooks:write", "budgets:write", "admin"],
                    )
                ),
                name="tenants_api_key_scopes_known",
            ),
        ),
        migrations.RunSQL(SAME_ORGANIZATION, ANY_ORGANIZATION),
        migrations.RunSQL(FINAL, NOT_FINAL),
    ]
