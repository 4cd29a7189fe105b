"""Registered endpoints with their health; an operator may switch one off and on again."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from genie.core.admin import ReadOnlyAdmin, TimeFilter, list_link
from genie.tenants import selectors as tenants
from webhooks import endpoints, naming
from webhooks.admin.shared import each
from webhooks.models import DisabledReason, Endpoint

_SEALED = ("sealed_secret", "previous_sealed_secret", "sealed_headers")


class HealthFilter(admin.SimpleListFilter):
    """How an endpoint does, in one word."""

    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [(word, word) for word in ("well", "failing", "disabled", "deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        conditions = {
            "well": Q(enabled=True, failing_since__isnull=True),
            "failing": Q(enabled=True, failing_since__isnull=False),
            "disabled": Q(enabled=False, deleted_at__isnull=True),
            "deleted": Q(deleted_at__isnull=False),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """Endpoints, newest first. Their owners change them, over the API."""

    list_display = [
        "name", "organization", "health", "consecutive_failures", "failing_since", "last_success_at",
        "host",
    ]  # fmt: skip
    list_filter = [HealthFilter, ("created_at", TimeFilter)]
    search_fields = ["=id", "=organization_id", "=name", "=host"]
    search_help_text = (
        "The id of an endpoint or of an organization, a name, or a receiver's host:port"
    )
    ordering = ["-id"]
    actions = ["enable", "disable"]
    fields = [
        "public_id", "id", "name", "organization", "description", "url", "events", "include_response",
        "header_names", "health", "consecutive_failures", "failing_since", "last_success_at",
        "enabled", "disabled_reason", "disabled_at", "previous_secret_expires_at", "created_at",
        "deleted_at", "deliveries",
    ]  # fmt: skip
    readonly_fields = ["public_id", "organization", "health", "deliveries"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return super().get_queryset(request).defer(*_SEALED)

    def look_up(self, rows: Sequence[Any]) -> None:
        names = tenants.names(row.organization_id for row in rows)
        for row in rows:
            row.names = names

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Endpoint], search_term: str
    ) -> tuple[QuerySet[Endpoint], bool]:
        """Understand an endpoint's public id and an organisation's slug too."""
        term = search_term.strip()
        if (known := naming.parse_endpoint_id(term)) is not None and term.startswith("wh_"):
            return queryset.filter(id=known), False
        if term and (organization := tenants.organization(term)) is not None:
            return queryset.filter(organization_id=organization.id), False
        return super().get_search_results(request, queryset, search_term)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whoever may change endpoints may switch them; nothing else of one can be changed here."""
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.action(description="Enable the selected endpoints", permissions=["operate"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """Let deliveries go out again; what was missed can be replayed."""
        each(
            self, request, queryset,
            lambda row: endpoints.set_enabled(row, enabled=True, organization_id=None),
            done="endpoints are enabled",
        )  # fmt: skip

    @admin.action(description="Disable the selected endpoints", permissions=["operate"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """Send nothing more, until they are enabled again."""
        each(
            self, request, queryset,
            lambda row: endpoints.set_enabled(row, enabled=False, organization_id=None),
            done="endpoints are disabled",
        )  # fmt: skip

    @admin.display(description="id in answers")
    def public_id(self, endpoint: Endpoint) -> str:
        return naming.endpoint_id(endpoint.id)

    @admin.display
    def organization(self, endpoint: Any) -> str:
        return str(endpoint.names.get(endpoint.organization_id, endpoint.organization_id))

    @admin.display(description="health")
    def health(self, endpoint: Endpoint) -> str:
        """Return one word, and why where there is a reason."""
        if endpoint.deleted_at is not None:
            return "deleted"
        if not endpoint.enabled:
            by_owner = endpoint.disabled_reason == DisabledReason.CALLER
            return "disabled" if by_owner else f"disabled ({endpoint.disabled_reason})"
        return "well" if endpoint.failing_since is None else "failing"

    @admin.display
    def deliveries(self, endpoint: Endpoint) -> str:
        return list_link(
            "webhooks_delivery", f"q={naming.endpoint_id(endpoint.id)}", "what it was sent"
        )
