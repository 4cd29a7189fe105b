"""What the organisation has used: a picture by day, and the same numbers as tables."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from budgets import chart, money
from genie.console import pages
from genie.console.access import member_page
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import spending
from jobs.facades.genie import spending_views
from jobs.spending import GroupBy, UsageFilter, UsageReport

SPANS = (7, 30, 90)  # days
_UNNAMED = {
    GroupBy.MODEL: "no known model",
    GroupBy.APPLICATION: "no application",
    GroupBy.MEMBER: "no member",
}


@require_safe
@member_page
def usage(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Show cost by day, stacked by model, application or, for managers, member."""
    days = _span(request.GET.get("days", ""))
    by = _by(request.GET.get("by", ""))
    context = {
        "principal": principal,
        "section": "account",
        "part": "usage",
        "spans": SPANS,
        "ways": [GroupBy.MODEL, GroupBy.APPLICATION]
        + ([GroupBy.MEMBER] if pages.manages(principal) else []),
        **picture(principal, days=days, by=by),
    }
    return pages.render(request, "console/desk/usage.html", context)


def picture(principal: Principal, *, days: int, by: GroupBy) -> dict[str, Any]:
    """Return the drawing and the tables of the last days; raises Forbidden as the API does."""
    principal.require_scope(Scope.JOBS_READ)
    today = timezone.now().astimezone(dt.UTC).date()
    first = today - dt.timedelta(days=days - 1)
    wanted = UsageFilter(
        organization_id=principal.organization_id,
        first_day=first,
        last_day=today,
        group_by=(GroupBy.DAY, by),
    )
    spending_views.require_may_see(principal, wanted)
    report = spending.usage(wanted)
    spent = chart.stack(
        [first + dt.timedelta(days=ahead) for ahead in range(days)],
        totals=_totals(report),
        by_spender=_by_name(report, by),
        remainder=_UNNAMED[by],
    )
    return {
        "days": days,
        "by": by,
        "first": first,
        "last": today,
        "spending": spent,
        "drawing": chart.draw(spent, cap=None),
        "sums": _sums(report, by),
        "total": {
            "jobs": sum(row.jobs for row in report.rows),
            "tokens": sum(row.prompt_tokens + row.completion_tokens for row in report.rows),
            "cost": money.to_text(sum(row.cost_microcredits for row in report.rows)),
        },
    }


def _span(text: str) -> int:
    return int(text) if text in {str(span) for span in SPANS} else 30


def _by(text: str) -> GroupBy:
    return GroupBy(text) if text in set(_UNNAMED) else GroupBy.MODEL


def _totals(report: UsageReport) -> dict[dt.date, int]:
    totals: dict[dt.date, int] = {}
    for row in report.rows:
        totals[row.group[0]] = totals.get(row.group[0], 0) + row.cost_microcredits
    return totals


def _by_name(report: UsageReport, by: GroupBy) -> dict[str, dict[dt.date, int]]:
    """Return what each named spender cost by day; what has no name is the chart's remainder."""
    found: dict[str, dict[dt.date, int]] = {}
    for row in report.rows:
        day, spender = row.group
        if name := _names(report, by).get(spender, spender if by is GroupBy.MODEL else None):
            by_day = found.setdefault(str(name), {})
            by_day[day] = by_day.get(day, 0) + row.cost_microcredits
    return found


def _names(report: UsageReport, by: GroupBy) -> Mapping[Any, str]:
    match by:
        case GroupBy.APPLICATION:
            return report.application_names
        case GroupBy.MEMBER:
            return report.usernames
        case _:
            return {}


def _sums(report: UsageReport, by: GroupBy) -> list[dict[str, Any]]:
    """Return a row for each spender, the dearest first."""
    found: dict[str, dict[str, int]] = {}
    for row in report.rows:
        spender = row.group[1]
        named = _names(report, by).get(spender, spender if by is GroupBy.MODEL else None)
        sums = found.setdefault(
            str(named or _UNNAMED[by]), {"jobs": 0, "prompt": 0, "completion": 0, "cost": 0}
        )
        sums["jobs"] += row.jobs
        sums["prompt"] += row.prompt_tokens
        sums["completion"] += row.completion_tokens
        sums["cost"] += row.cost_microcredits
    ranked = sorted(found.items(), key=lambda one: (-one[1]["cost"], -one[1]["jobs"], one[0]))
    return [{"name": name, **sums, "cost": money.to_text(sums["cost"])} for name, sums in ranked]
