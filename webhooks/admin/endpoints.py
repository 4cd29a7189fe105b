"""Registered endpoints with their health; an operator may switch one off and on again."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from genie.core.admin import (
    Confirmed,
    OperatingAdmin,
    Operation,
    ReadOnlyAdmin,
    TimeFilter,
    list_link,
)
from genie.tenants import selectors as tenants
from webhooks import endpoints, naming
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


def _enable(endpoint_id: uuid.UUID, given: Confirmed) -> str:
    del given
    endpoints.set_enabled(endpoint_id, enabled=True, organization_id=None)
    return ""


def _disable(endpoint_id: uuid.UUID, given: Confirmed) -> str:
    del given
    endpoints.set_enabled(endpoint_id, enabled=False, organization_id=None)
    return ""


_MAY_SWITCH = "webhooks.change_endpoint"
OPERATIONS = (
    Operation(
        name="enable",
        button="Enable",
        label="Enable the selected endpoints",
        warning="What happens from now on is sent to them again. What they missed meanwhile can be "
        "replayed by their owners.",
        done="endpoints are enabled",
        permission=_MAY_SWITCH,
        run=_enable,
        applies=lambda row: not row.enabled and row.deleted_at is None,
    ),
    Operation(
        name="disable",
        button="Disable",
        label="Disable the selected endpoints",
        warning="Nothing more is sent to them until they are enabled, here or by their owners; what "
        "is under way ends as failed.",
        done="endpoints are disabled",
        permission=_MAY_SWITCH,
        run=_disable,
        applies=lambda row: row.enabled,
    ),
)


@admin.register(Endpoint)
class EndpointAdmin(OperatingAdmin, ReadOnlyAdmin):
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
    operations = OPERATIONS
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
