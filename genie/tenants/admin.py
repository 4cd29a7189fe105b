# ruff: noqa: ARG002 - Django fixes the signatures of these methods
"""The admin pages of identity. Keys are made by the API and the command line, and revoked here."""

import uuid
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from genie.core import errors
from genie.core.admin import (
    Confirmed,
    OperatingAdmin,
    Operation,
    OrganizationFilter,
    ReadOnlyAdmin,
    TypeAheadMedia,
    WordedAdmin,
)
from genie.tenants import selectors, services
from genie.tenants.models import ApiKey, Application, Member, Organization, User


@admin.register(User)
class PersonAdmin(WordedAdmin, UserAdmin[User]):
    """People. One who has done something in the admin is made inactive, never deleted: the log stays."""

    readonly_fields = ["last_login", "date_joined"]  # what has happened, and so not to be set


@admin.register(Organization)
class OrganizationAdmin(WordedAdmin):
    """Organisations; a slug is part of keys in use, so it is set once."""

    list_display = ["slug", "name", "is_free_tier", "created_at"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []


@admin.register(Application)
class ApplicationAdmin(TypeAheadMedia, WordedAdmin):
    """Applications; one stays in its organisation."""

    list_display = ["name", "organization", "created_at"]
    list_select_related = ["organization"]
    list_filter = [("organization", OrganizationFilter)]
    search_fields = ["name", "organization__slug"]
    autocomplete_fields = ["organization"]
    ordering = ["organization__slug", "name"]
    exclude = ["alert_webhook_secret"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # The URL is judged where it is set: by the API and by set_application.
        return ["organization", "alert_webhook_url"] if obj else ["alert_webhook_url"]


@admin.register(Member)
class MemberAdmin(TypeAheadMedia, WordedAdmin):
    """Members; only the role of one changes."""

    list_display = ["user", "organization", "role", "created_at"]
    list_select_related = ["user", "organization"]
    list_filter = ["role", ("organization", OrganizationFilter)]
    search_fields = ["user__username", "organization__slug"]
    autocomplete_fields = ["organization", "user"]
    ordering = ["organization__slug", "user__username"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["organization", "user"] if obj else []


class LiveFilter(admin.SimpleListFilter):
    """Keys that work, and those that were revoked or have expired."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Live"), ("revoked", "Revoked"), ("expired", "Expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        expired = Q(expires_at__lte=timezone.now())
        match self.value():
            case "live":
                return queryset.exclude(expired).filter(revoked_at=None)
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case "expired":
                return queryset.filter(expired, revoked_at=None)
        return queryset


def _revoke(key_id: uuid.UUID, given: Confirmed) -> str:
    del given
    key = selectors.api_key(str(key_id))
    if key is None:
        raise errors.NotFound("There is no such key.")
    if not services.revoke_key(key.organization_id, key.id):
        raise errors.InvalidRequest("It was revoked before.")
    return ""


REVOKE = Operation(
    name="revoke",
    button="Revoke",
    label="Revoke the selected keys, for good",
    warning="They are refused from the next request on. A key cannot be made to work again.",
    done="keys revoked",
    permission="tenants.change_apikey",
    run=_revoke,
    applies=lambda key: key.revoked_at is None,
)


@admin.register(ApiKey)
class ApiKeyAdmin(OperatingAdmin, TypeAheadMedia, ReadOnlyAdmin):
    """Keys, to look at and to revoke; neither the secret nor its digest is shown."""

    list_display = [
        "name", "is_live", "organization", "application", "member", "last_used_at", "expires_at",
        "revoked_at",
    ]  # fmt: skip
    list_select_related = ["organization", "application", "member__user"]
    list_filter = [LiveFilter, ("organization", OrganizationFilter)]
    search_fields = ["name", "organization__slug", "=id"]
    search_help_text = "A key's name or id, or an organization's slug"
    ordering = ["-id"]
    operations = (REVOKE,)
    exclude = ["digest"]

    @admin.display(description="live", boolean=True)
    def is_live(self, key: ApiKey) -> bool:
        """Whether a request with this key is answered, as far as the key itself goes."""
        is_expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return key.revoked_at is None and not is_expired
