"""The organisation's jobs, newest first, by the filters of the API's list."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_safe

from budgets import money
from genie.console import forms, pages
from genie.console.access import member_page
from genie.tenants import people
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import events, selectors
from jobs.facades.genie import views as native
from jobs.job_views import JobView
from jobs.selectors import ListFilter
from jobs.serving import wire
from jobs.states import JobState


@require_safe
@member_page
def jobs(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Show a page of jobs; htmx asks for the rows of the next one alone."""
    principal.require_scope(Scope.JOBS_READ)
    filters = _filled(request.GET)
    problems: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    more = None
    try:
        wanted = native.list_filter(filters, organization_id=principal.organization_id)
        rows, more = page_of(wanted)
    except forms.Refusals as error:
        problems = forms.problems(error)
    kept = {name: value for name, value in filters.items() if name != "cursor"}
    context = {
        "principal": principal,
        "section": "jobs",
        "rows": rows,
        "more": more and urlencode({**kept, "cursor": more}),
        "problems": problems,
        "typed": request.GET,
        "states": list(JobState),
        "applications": people.applications(principal.organization_id),
        "is_filtered": bool(kept),
    }
    partial = pages.is_partial(request) and "cursor" in filters
    context["go_on"] = partial  # from where the button was that asked for them
    template = "console/desk/_job_rows.html" if partial else "console/desk/jobs.html"
    return pages.render(request, template, context, status=400 if problems else 200)


def page_of(wanted: ListFilter) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of jobs as they are shown, and the cursor behind it if there are more."""
    found = selectors.list_jobs(wanted)
    page = found[: wanted.limit - 1]
    more = wire.encode_cursor(page[-1]) if len(found) == wanted.limit else None
    return [shown(one) for one in page], more


def shown(job: JobView) -> dict[str, Any]:
    """Return a job as a row of a table."""
    took = (
        (job.completed_at - job.started_at).total_seconds()
        if job.completed_at and job.started_at
        else None
    )
    cost = job.cost_microcredits
    return {
        "id": events.public_id(job.id, job.kind),
        "kind": job.kind,
        "state": job.state,
        "parked": job.parked is not None,
        "mode": job.mode,
        "model": job.model,
        "created_at": job.created_at,
        "took_s": took,
        "cost": "-" if cost is None else money.to_text(cost),
        "error": (job.error or {}).get("code", ""),
    }


def _filled(query: QueryDict) -> QueryDict:
    """Return the filters that are filled in: a browser sends the empty ones too."""
    filled = QueryDict(mutable=True)
    for name, value in query.items():
        if str(value).strip():
            filled[name] = str(value).strip()
    return filled
