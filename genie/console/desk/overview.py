"""The account desk's first page: how the organisation stands, and what to do next."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from genie.console import pages
from genie.console.access import member_page
from genie.console.desk import caps, jobs, usage
from genie.tenants.principal import Principal
from jobs.selectors import ListFilter
from jobs.spending import GroupBy

_NEWEST = 5


@require_safe
@member_page
def overview(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Show the last week, the caps that are set, and the newest jobs."""
    wanted = ListFilter(organization_id=principal.organization_id, limit=_NEWEST + 1)
    newest, _ = jobs.page_of(wanted)
    context = {
        "principal": principal,
        "section": "account",
        "part": "overview",
        "rows": newest,
        **usage.picture(principal, days=7, by=GroupBy.MODEL),
        **caps.bound(principal),
    }
    return pages.render(request, "console/desk/overview.html", context)
