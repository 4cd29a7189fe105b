"""The notification log: the deliveries of an endpoint, and one delivery with each of its attempts."""

import uuid
from typing import Any, TypeAlias

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from genie.console import forms, pages
from genie.console.access import member_page
from genie.core import errors, ids
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from webhooks import naming, queries, resending, selectors, serializers
from webhooks.errors import CannotRedeliver
from webhooks.naming import Place

Delivery: TypeAlias = Any  # rows of webhooks, whose tables are its own
Endpoint: TypeAlias = Any

_FILTERS = ("state", "cursor")


@require_safe
@member_page
def delivery(request: HttpRequest, principal: Principal, delivery_id: str) -> HttpResponse:
    """Show one delivery: the bytes that it sends, and each attempt with its answer."""
    principal.require_scope(Scope.JOBS_READ)
    row = _delivery(principal, delivery_id)
    context = {
        "principal": principal,
        "section": "account",
        "part": "webhooks",
        "delivery": serializers.delivery_with_log(row, list(selectors.attempts(row.id))),
        "may_repeat": row.state != "pending",
    }
    return pages.render(request, "console/desk/delivery.html", context)


@require_POST
@member_page
def redeliver(request: HttpRequest, principal: Principal, delivery_id: str) -> HttpResponse:
    """Send a delivery's bytes once more, and show the delivery that does so."""
    principal.require_scope(Scope.WEBHOOKS_WRITE)
    row = _delivery(principal, delivery_id)
    try:
        again = resending.redeliver(row.id, organization_id=principal.organization_id)
    except CannotRedeliver as error:
        messages.error(request, error.message)
        return redirect("console:delivery", delivery_id=delivery_id)
    messages.success(request, "It is sent once more, under the same id; this is the new delivery.")
    return redirect("console:delivery", delivery_id=str(again))


def log_of(request: HttpRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Return a page of an endpoint's deliveries, the newest first."""
    query = QueryDict(mutable=True)
    for name in _FILTERS:
        if value := request.GET.get(name, "").strip():
            query[name] = value
    try:
        wanted = queries.log_filter(query)
    except forms.Refusals:
        wanted = queries.log_filter(
            QueryDict()
        )  # an address that somebody has mangled: all of them
    found = selectors.deliveries_to(endpoint.id, wanted)
    page = found[: wanted.limit - 1]
    last = Place(page[-1].created_at, page[-1].id) if len(found) > len(page) else None
    return {
        "log": [serializers.delivery(one) for one in page],
        "log_next": last and naming.encode_cursor(last),
        "log_state": wanted.state or "",
        "states": queries.STATES,
    }


def _delivery(principal: Principal, delivery_id: str) -> Delivery:
    identifier: uuid.UUID | None = ids.parse(delivery_id) if len(delivery_id) == 36 else None
    found = identifier and selectors.delivery(identifier, organization_id=principal.organization_id)
    if not found:
        raise errors.NotFound("Your organization has no such delivery, or no longer.")
    return found
