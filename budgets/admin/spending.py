"""The page that shows as a picture what an organisation spends, with a table of the same numbers."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from budgets import chart, money, selectors, services
from budgets.admin import breakdowns
from budgets.admin.naming import NamedAdmin, cap_shown
from budgets.types import Balance
from budgets.windows import Layer, WindowKind
from genie.tenants import selectors as tenants
from genie.tenants.models import Organization

DAYS = 30
_OFFERED = 50  # organisations to pick from; any other is named by its slug
_TEMPLATE = "admin/budgets/window/spending.html"


class SpendingPage(NamedAdmin):
    """Adds the page ``spending/`` to the counters, for whoever may look at them."""

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.spending)
        return [path("spending/", page, name="budgets_window_spending"), *super().get_urls()]

    def spending(self, request: HttpRequest) -> HttpResponse:
        """Show one organisation's spending, or the organisations to choose from."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = request.GET.get("organization", "").strip()
        organization = tenants.organization(wanted) if wanted else None
        offered = tenants.organizations(limit=_OFFERED)
        by = request.GET.get("by", "")
        shown = _overview(offered) if organization is None else _spending_of(organization, by=by)
        context = {
            **self.admin_site.each_context(request),
            "title": "Spending",
            "wanted": wanted,
            "offered": offered,
            "organization": organization,
            **shown,
        }
        return TemplateResponse(request, _TEMPLATE, context)


def _overview(organizations: Sequence[Organization]) -> dict[str, Any]:
    balances = services.balances([(Layer.ORG, one.id) for one in organizations])
    found = {(one.subject_id, one.window): _shown(one) for one in balances}
    return {
        "overview": [
            (one, found[one.id, WindowKind.DAILY], found[one.id, WindowKind.MONTHLY])
            for one in organizations
        ],
        "is_cut": len(organizations) == _OFFERED,
    }


def _spending_of(organization: Organization, *, by: str) -> dict[str, Any]:
    today = timezone.now().date()
    days = [today - dt.timedelta(days=ago) for ago in reversed(range(DAYS))]
    breakdown = breakdowns.added().get(by, _BY_APPLICATION)
    spending = chart.stack(
        days,
        totals=selectors.daily_spent([organization.id], first=days[0], last=today).get(
            organization.id, {}
        ),
        by_spender=breakdown.read(organization.id, days[0], today),
        remainder=breakdown.remainder,
    )
    balances = services.balances([(Layer.ORG, organization.id)])
    cap = next(one.cap for one in balances if one.window is WindowKind.DAILY)
    return {
        "subtitle": organization.slug,
        "days": DAYS,
        "by": breakdown.label,
        "ways": [_BY_APPLICATION.label, *breakdowns.added()],
        "balances": [_shown(one) for one in balances],
        "cap": None if cap is None else money.to_text(cap),
        "spending": spending,
        "drawing": chart.draw(spending, cap=cap),
    }


def _by_application(
    organization_id: uuid.UUID, first: dt.date, last: dt.date
) -> breakdowns.Amounts:
    applications = tenants.applications(organization_id)
    spent = selectors.daily_spent(list(applications), first=first, last=last)
    return {applications[one]: by_day for one, by_day in spent.items()}


_BY_APPLICATION = breakdowns.Breakdown("application", chart.UNNAMED, _by_application)


def _shown(one: Balance) -> dict[str, str]:
    """Return a balance as credits for people."""
    return {
        "window": one.window.value,
        "period": one.period,
        "spent": money.to_text(one.spent),
        "held": money.to_text(one.held),
        "cap": cap_shown(one.cap),
        "left": cap_shown(one.remaining),
    }
