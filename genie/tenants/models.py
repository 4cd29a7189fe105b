"""Tables of identity: User, Organization, Application, Member, ApiKey. No behaviour.

Caps are not here: they belong to ``budgets``, which knows these rows by id only. That a key's
application and holder belong to the key's organisation is kept by composite foreign keys, which
the first migration adds in SQL.
"""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, functions, lookups

from genie.core import ids
from genie.core.models import Row
from genie.tenants import keys, limits
from genie.tenants.authenticator import Authenticator
from genie.tenants.scopes import DEFAULT_SCOPES, Role, Scope

__all__ = ["ApiKey", "Application", "Authenticator", "Member", "Organization", "User"]

_UUID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def default_scopes() -> list[str]:
    """Return a fresh list of what a key may do by default."""
    return [str(scope) for scope in DEFAULT_SCOPES]


class User(AbstractUser):
    """A person who signs in; Django's user with a time-ordered id."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)


class Organization(Row):
    """A tenant: owns applications, members, keys, jobs and money."""

    slug = models.CharField(max_length=48)  # part of every key, so it never changes
    name = models.CharField(max_length=200)
    is_free_tier = models.BooleanField(default=False)  # is served the small image and video models

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="tenants_organization_slug_unique"),
            models.CheckConstraint(
                condition=Q(slug__regex=f"^{keys.SLUG_PATTERN}$") & ~Q(slug__regex=_UUID_PATTERN),
                name="tenants_organization_slug_form",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Application(Row):
    """A program of an organisation that spends on its own caps."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="applications", db_index=False
    )
    name = models.CharField(max_length=200)
    # Where it is told that a cap is near or hit; null: nowhere. The secret is sealed, as
    # genie.core.crypto does it; null: what is told is not signed.
    alert_webhook_url = models.TextField(null=True, blank=True)
    alert_webhook_secret = models.TextField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="tenants_application_name_unique"
            ),
            models.CheckConstraint(
                condition=~Q(alert_webhook_url="") & ~Q(alert_webhook_secret=""),
                name="tenants_application_alert_webhook_not_empty",
            ),
            models.CheckConstraint(
                condition=Q(alert_webhook_secret__isnull=True) | Q(alert_webhook_url__isnull=False),
                name="tenants_application_alert_secret_has_url",
            ),
            # The target of the composite foreign key from ApiKey.
            models.UniqueConstraint(
                fields=["organization", "id"], name="tenants_application_in_organization"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Member(Row):
    """A user's place in an organisation."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="members", db_index=False
    )
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    role = models.CharField(max_length=16, choices=[(str(role), role.title()) for role in Role])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user"], name="tenants_member_user_unique"
            ),
            # The target of the composite foreign key from ApiKey.
            models.UniqueConstraint(
                fields=["organization", "id"], name="tenants_member_in_organization"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[str(role) for role in Role]), name="tenants_member_role_known"
            ),
        ]
        indexes = [
            # A session's default organisation: the oldest membership of a user.
            models.Index(fields=["user", "created_at", "id"], name="tenants_member_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class ApiKey(Row):
    """A secret key, known only by its digest. Revocation is final: a trigger refuses its undoing."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="api_keys", db_index=False
    )
    # A key goes with its application or holder: left behind, it would spend past their caps.
    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    member = models.ForeignKey(  # the holder
        Member, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    name = models.CharField(max_length=limits.NAME_LENGTH)
    digest = models.BinaryField(max_length=keys.DIGEST_BYTES)  # HMAC-SHA256 of the whole key
    pepper_version = models.PositiveSmallIntegerField()  # which pepper the digest was made with
    allowed_models = ArrayField(models.TextField(), default=list, blank=True)  # empty: any
    allowed_cidrs = ArrayField(models.TextField(), default=list, blank=True)  # empty: any
    scopes = ArrayField(models.TextField(), default=default_scopes, blank=True)
    rate_limit_rpm = models.IntegerField(null=True, blank=True)  # requests in any 60 s
    rate_limit_rpd = models.IntegerField(null=True, blank=True)  # requests in a UTC day
    revoked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)  # to the minute

    class Meta:
        db_table = "tenants_api_key"
        verbose_name = "API key"
        constraints = [
            # Also the index by which every request finds its key.
            models.UniqueConstraint(fields=["digest"], name="tenants_api_key_digest_unique"),
            models.CheckConstraint(
                condition=lookups.Exact(functions.Length("digest"), keys.DIGEST_BYTES),
                name="tenants_api_key_digest_length",
            ),
            models.CheckConstraint(
                condition=Q(rate_limit_rpm__isnull=True) | Q(rate_limit_rpm__gt=0),
                name="tenants_api_key_rpm_positive",
            ),
            models.CheckConstraint(
                condition=Q(rate_limit_rpd__isnull=True) | Q(rate_limit_rpd__gt=0),
                name="tenants_api_key_rpd_positive",
            ),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=[str(scope) for scope in Scope]),
                name="tenants_api_key_scopes_known",
            ),
        ]
        indexes = [
            # The list of an organisation's keys, newest first, page by page.
            models.Index(fields=["organization", "-id"], name="tenants_api_key_listed"),
            # Deleting an application or a member looks for its keys.
            models.Index(fields=["application"], name="tenants_api_key_application"),
            models.Index(fields=["member"], name="tenants_api_key_member"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"
