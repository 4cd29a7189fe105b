"""Routes that tell a caller what it may spend and what its organisation has used."""

import datetime as dt

from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone

from budgets.types import Payer
from genie.core.lean import LeanRequest
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import callers, web
from jobs.facades.genie import spending
from jobs.serving import answers, wire
from jobs.spending import GroupBy, UsageFilter


async def effective(request: LeanRequest) -> HttpResponseBase:
    """GET /v1/budgets/effective: every cap that binds the caller, and who holds the money."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    payer = Payer(
        organization_id=principal.organization_id,
        application_id=principal.application_id,
        member_id=principal.member_id,
        user_id=principal.user_id,
    )
    body = spending.effective_body(await web.spending(payer))
    return answers.json_answer(wire.dumps(body), headers=headers)


async def usage(request: LeanRequest) -> HttpResponseBase:
    """GET /v1/usage: jobs, tokens and cost by day, model, application and member."""
    principal, headers = await callers.authenticate(request)
    principal.require_scope(Scope.JOBS_READ)
    today = timezone.now().astimezone(dt.UTC).date()
    wanted = spending.usage_filter(
        request.GET, organization_id=principal.organization_id, today=today
    )
    as_csv = spending.wants_csv(request.GET, accept=request.META.get("HTTP_ACCEPT", ""))
    require_may_see(principal, wanted)
    report = await web.usage(wanted)
    spending.require_complete(report)
    headers = {**headers, "Vary": "Accept"}
    if not as_csv:
        return answers.json_answer(wire.dumps(spending.usage_body(wanted, report)), headers=headers)
    name = f"usage-{wanted.first_day}-{wanted.last_day}.csv"
    return HttpResponse(
        spending.usage_csv(wanted, report),
        content_type="text/csv; charset=utf-8",
        headers={**headers, "Content-Disposition": f'attachment; filename="{name}"'},
    )


def require_may_see(principal: Principal, wanted: UsageFilter) -> None:
    """Keep what each colleague spends for those who manage the organisation.

    Raises:
        Forbidden: The caller asks about members beside itself and may not manage the organisation.
    """
    own = wanted.user_id is not None and wanted.user_id == principal.user_id
    if not own and (wanted.user_id is not None or GroupBy.MEMBER in wanted.group_by):
        principal.require_scope(Scope.ADMIN)
