"""The list of jobs and the page of one: state, what happened and when, money, receivers, and buttons."""

import json
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from budgets import money, movements
from genie.core import ids
from genie.core.admin import (
    OperatingAdmin,
    OrganizationFilter,
    ReadOnlyAdmin,
    TypeAheadMedia,
    link,
    list_link,
    log,
)
from genie.tenants import selectors as tenants
from genie.tenants.models import User
from jobs import events, pauses
from jobs.admin import history, looking, operating
from jobs.models import Job
from jobs.pauses import Pause
from jobs.states import JobKind, JobState
from webhooks import selectors as webhooks

READ_PROMPTS = "jobs.view_prompt"
_LARGE = ("request", "asked", "result", "delta_ends", "webhook_secret")  # never loaded for a list


@admin.register(Job)
class JobAdmin(OperatingAdmin, TypeAheadMedia, ReadOnlyAdmin):
    """Jobs, newest first. Prompts and answers only for who may read them."""

    list_display = (
        "spelled", "stands", "organization", "model", "created_at", "took", "cost", "attempt",
    )  # fmt: skip
    list_select_related = ("organization",)
    list_filter = (
        "state", ("created_at", looking.CreatedFilter), ("organization", OrganizationFilter),
        looking.QueueFilter, looking.ModelFilter, "mode", ("parked_by", admin.EmptyFieldListFilter),
    )  # fmt: skip
    search_fields = ("=id",)  # see get_search_results
    search_help_text = "A job's id in any spelling, an organization's slug, or an idempotency key"
    ordering = ("-id",)
    sortable_by = ()  # any other order would read the table
    operations = operating.OPERATIONS
    change_list_template = "admin/jobs/job/change_list.html"
    change_form_template = "admin/jobs/job/change_form.html"
    readonly_fields = (
        "public_id", "payer", "key", "error_text", "request_text", "result_text", "took",
        "estimate", "cost", "money",
    )  # fmt: skip

    class Media:
        css = {"all": ["jobs/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[looking.JobChangeList]:
        """Return the list that looks through no more than is worth while."""
        del request, kwargs
        return looking.JobChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Return jobs without what is large."""
        return cast("QuerySet[Job]", super().get_queryset(request).defer(*_LARGE))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows to this user."""
        del obj
        shown = [*_FIELDSETS]
        if request.user.has_perm(READ_PROMPTS):
            shown.append(("Prompt and answer", {"fields": ("request_text", "result_text")}))
        return shown

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find jobs by what has an index."""
        del request
        term = search_term.strip()
        return (looking.search(queryset, term) if term else queryset), False

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add what happened to the job, as far as this user may see it."""
        context |= _story(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="id", ordering="id")
    def spelled(self, job: Job) -> str:
        return ids.bare(job.id)

    @admin.display(description="state")
    def stands(self, job: Job) -> str:
        """Return its state; of one that a cap keeps out of its queue, or did, which cap that is."""
        return f"{job.state} ({job.parked_by})" if job.parked_by else job.state

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        """Return how long the newest attempt ran, or has been running."""
        if job.started_at is None or job.state == JobState.QUEUED:
            return "-"
        return f"{((job.completed_at or timezone.now()) - job.started_at).total_seconds():.2f} s"

    @admin.display(description="estimate")
    def estimate(self, job: Job) -> str:
        return money.to_text(job.estimate_microcredits)

    @admin.display(description="cost")
    def cost(self, job: Job) -> str:
        return "-" if job.cost_microcredits is None else money.to_text(job.cost_microcredits)

    @admin.display(description="paid by")
    def payer(self, job: Job) -> str:
        """Return the names of who pays, in the order in which caps are walked."""
        payers = (job.organization_id, job.application_id, job.member_id)
        names = tenants.names(payers)
        return ", ".join(str(names.get(one, one)) for one in payers if one is not None)

    @admin.display(description="API key")
    def key(self, job: Job) -> str:
        return link("tenants_apikey", job.api_key_id, job.api_key_id) if job.api_key_id else "-"

    @admin.display(description="in the ledger")
    def money(self, job: Job) -> str:
        return format_html(
            "{}, {}, {}",
            link("budgets_hold", job.id, "its hold"),
            list_link("budgets_entry", f"q={job.id}", "what moved"),
            list_link("budgets_budgetevent", f"q={job.id}", "the decision"),
        )

    @admin.display(description="id in answers")
    def public_id(self, job: Job) -> str:
        return events.public_id(job.id, JobKind(job.kind))

    @admin.display(description="error")
    def error_text(self, job: Job) -> str:
        """Return the error as escaped text."""
        return _text(job.error)

    @admin.display(description="request")
    def request_text(self, job: Job) -> str:
        """Return what was asked as escaped text."""
        return _text(job.request)

    @admin.display(description="result")
    def result_text(self, job: Job) -> str:
        """Return the answer as escaped text."""
        return _text(job.result)


_FIELDSETS: tuple[tuple[str | None, dict[str, Any]], ...] = (
    (
        None,
        {
            "fields": (
                ("public_id", "id"),
                ("state", "parked_by", "kind", "mode"),
                ("queue", "requested_model", "model"),
                ("payer", "key"),
                "error_text",
            )
        },
    ),
    (
        "Run",
        {
            "fields": (
                ("attempt", "max_attempts", "worker"),
                ("created_at", "queued_at", "started_at", "completed_at", "took"),
                ("lane", "lanes_up", "start_tag", "work_s"),
                ("start_deadline_at", "run_deadline_at", "run_limit_s"),
                ("lease_expires_at", "not_before", "ticketed_at"),
                ("cancel_requested_at", "cancel_reason"),
            )
        },
    ),
    (
        "Cost, in credits",
        {
            "fields": (
                ("prompt_tokens", "completion_tokens"),
                ("estimate", "cost", "price_version", "price_rates"),
                "money",
                "webhook_url",
            )
        },
    ),
)


def _story(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Return the timeline, the money and the deliveries of a job, each for who may look at it."""
    sees = request.user.has_perm
    attempts = list(job.attempts.order_by("number"))
    account = movements.of(job.id) if sees("budgets.view_entry") else None
    deliveries = webhooks.deliveries_about(job.id) if sees("webhooks.view_delivery") else []
    return {
        "lines": history.lines(
            job,
            events=job.events.order_by("id"),
            attempts=attempts,
            account=account,
            deliveries=deliveries,
            entries=log.of_row(job),
        ),
        "phases": history.phases(job, attempts, now=timezone.now()),
        "bar_width": history.WIDTH,
        "account": account
        and {
            "held": money.to_text(account.held),
            "is_open": account.is_open,
            "charged": money.to_text(account.charged),
            "is_adjusted": any(one.kind == "adjust" for one in account.movements),
        },
        "deliveries": deliveries,
        "pause": _pause(job),
        "live_page": _live_page(request, job),
    }


def _pause(job: Job) -> Pause | None:
    """Return the pause that keeps the job waiting, if one does."""
    waits = job.state == JobState.QUEUED and not job.parked_by
    return pauses.read().get(job.queue) if waits else None


def _live_page(request: HttpRequest, job: Job) -> str:
    """Return where its owner follows it, for the members of the organisation; nobody else gets in."""
    user = cast("User", request.user)
    is_member = tenants.member_of_user(job.organization_id, user.pk) is not None
    return reverse("console:job", args=[ids.bare(job.id)]) if is_member else ""


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return format_html("<pre>{}</pre>", json.dumps(value, ensure_ascii=False, indent=2))
