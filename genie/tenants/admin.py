# ruff: noqa: ARG002 - Django fixes the signatures of these methods
"""The admin pages of identity. Keys are made by the API and the command line, and revoked here."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from genie.tenants import services
from genie.tenants.models import ApiKey, Application, Member, Organization, User

admin.site.register(User, UserAdmin)


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    """Organisations; a slug is part of keys in use, so it is set once."""

    list_display = ["slug", "name", "is_free_tier", "created_at"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []


@admin.register(Application)
class ApplicationAdmin(admin.ModelAdmin[Application]):
    """Applications; one stays in its organisation."""

    list_display = ["name", "organization", "created_at"]
    list_select_related = ["organization"]
    search_fields = ["name", "organization__slug"]
    exclude = ["alert_webhook_secret"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # The URL is judged where it is set: by the API and by set_application.
        return ["organization", "alert_webhook_url"] if obj else ["alert_webhook_url"]


@admin.register(Member)
class MemberAdmin(admin.ModelAdmin[Member]):
    """Members; only the role of one changes."""

    list_display = ["user", "organization", "role", "created_at"]
    list_select_related = ["user", "organization"]
    list_filter = ["role"]
    search_fields = ["user__username", "organization__slug"]
    autocomplete_fields = ["user"]

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


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    """Keys, to look at and to revoke; neither the secret nor its digest is shown."""

    list_display = [
        "name", "is_live", "organization", "application", "member", "last_used_at", "expires_at",
        "revoked_at",
    ]  # fmt: skip
    list_select_related = ["organization", "application", "member__user"]
    list_filter = [LiveFilter]
    search_fields = ["name", "organization__slug", "=id"]
    search_help_text = "A key's name or id, or an organization's slug"
    ordering = ["-id"]
    actions = ["revoke"]
    exclude = ["digest"]
    show_facets = admin.ShowFacets.NEVER  # they count the whole table, once for each choice

    class Media:
        """The style sheet of lists that are read."""

        css: ClassVar = {"all": ["core/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may change keys may revoke them, though nothing else of a key can be changed."""
        return super().has_change_permission(request)

    @admin.display(description="live", boolean=True)
    def is_live(self, key: ApiKey) -> bool:
        """Whether a request with this key is answered, as far as the key itself goes."""
        is_expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return key.revoked_at is None and not is_expired

    @admin.action(description="Revoke the selected keys, for good", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End keys; they are refused from the next request on."""
        keys = list(queryset.values_list("organization_id", "id"))
        ended = sum(services.revoke_key(organization, key) for organization, key in keys)
        self.message_user(request, f"{ended} of {len(keys)} keys revoked; the others were before.")
