"""Admin pages of jobs, attempts and workers: to look at, to cancel and to requeue."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django_celery_results.admin import TaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult

from budgets import money
from budgets.admin import breakdowns
from budgets.admin.breakdowns import Breakdown
from genie.core import errors, ids
from genie.core.admin import ReadOnly, ReadOnlyAdmin, TimeFilter, link, list_link
from genie.tenants import selectors as tenants
from inference.types import Modality
from jobs import events, operations, registry, spending
from jobs.models import Attempt, Job, JobEvent, Weight, Worker
from jobs.states import JobKind, JobState

READ_PROMPTS = "jobs.view_prompt"
_AT_ONCE = 200  # jobs of one action: "select all" may mean a million
_LARGE = ("request", "asked", "result", "delta_ends", "webhook_secret")  # never loaded for a list


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Job]):
    """The executions of a job, in order."""

    model = Attempt
    ordering = ("number",)
    fields = ("number", "worker", "started_at", "ended_at", "outcome")


class JobEventInline(ReadOnly, admin.TabularInline[JobEvent, Job]):
    """The transitions of a job, in order."""

    model = JobEvent
    ordering = ("id",)
    fields = ("at", "type", "attempt", "data")


class QueueFilter(admin.SimpleListFilter):
    """One queue. Django's own filter would read the whole table to learn which there are."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        names = {*map(str, Modality), *registry.models().queues()}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(queue=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs, newest first. Prompts and answers only for who may read them."""

    list_display = (
        "spelled", "state", "parked_by", "created_at", "took", "cost", "model", "organization", "attempt",
    )  # fmt: skip
    list_select_related = ("organization",)
    list_filter = (
        "state", "mode", QueueFilter, ("parked_by", admin.EmptyFieldListFilter), ("created_at", TimeFilter),
    )  # fmt: skip
    search_fields = ("=id",)  # see get_search_results
    search_help_text = "A job's id in any spelling, or an organization's slug"
    ordering = ("-id",)
    actions = ("cancel", "requeue")
    inlines = (AttemptInline, JobEventInline)
    readonly_fields = (
        "public_id", "payer", "key", "error_text", "request_text", "result_text", "took",
        "estimate", "cost", "money",
    )  # fmt: skip

    class Media:
        css = {"all": ["jobs/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer(*_LARGE)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        del obj
        shown = [*_FIELDSETS]
        if request.user.has_perm(READ_PROMPTS):
            shown.append(("Prompt and answer", {"fields": ("request_text", "result_text")}))
        return shown

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find one job by its id, or an organisation's jobs: both by an index."""
        del request
        term = search_term.strip()
        if not term:
            return queryset, False
        if (job_id := ids.parse(term)) is not None:
            return queryset.filter(id=job_id), False
        # Newest first by the columns of the index that begins with the organisation.
        found = queryset.filter(organization__slug=term).order_by("-created_at", "-id")
        return found, False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whoever may change jobs may cancel and requeue them; nothing else of one can be changed."""
        return request.user.has_perm("jobs.change_job")

    @admin.action(description="Cancel the selected jobs", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel jobs; a running one ends within a decode step."""
        self._each(request, queryset, _cancel, done="cancelled or asked to stop")

    @admin.action(description="Requeue the selected jobs (stuck worker)", permissions=["operate"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Take running jobs from their workers and queue them again."""
        self._each(request, queryset, operations.requeue, done="in their queues")

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Job],
        operate: Callable[[uuid.UUID], object],
        *,
        done: str,
    ) -> None:
        refusals = []
        job_ids = list(queryset.values_list("id", flat=True)[:_AT_ONCE])
        for job_id in job_ids:
            try:
                operate(job_id)
            except errors.GenieError as error:
                refusals.append(f"{job_id}: {error.message}")
        self.message_user(request, f"{len(job_ids) - len(refusals)} jobs {done}.")
        for refusal in refusals[:10]:
            self.message_user(request, refusal, level=messages.WARNING)

    @admin.display(description="id", ordering="id")
    def spelled(self, job: Job) -> str:
        return ids.bare(job.id)

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        """Return how long the newest attempt ran, or has been running."""
        if job.started_at is None or job.state == JobState.QUEUED:
            return "-"
        return f"{((job.completed_at or timezone.now()) - job.started_at).total_seconds():.2f} s"

    @admin.display(description="estimate")
    def estimate(self, job: Job) -> str:
        return money.to_text(job.estimate_microcredits)

    @admin.display(description="cost", ordering="cost_microcredits")
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


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Workers that have been seen lately."""

    list_display = (
        "name", "is_alive", "serves", "running", "slots", "loaded_models", "trouble", "started_at",
        "heartbeat_at",
    )  # fmt: skip
    ordering = ("-heartbeat_at",)

    @admin.display(description="queues", ordering="queues")
    def serves(self, worker: Worker) -> str:
        """Name its queues, and those that it is not ready for: it loads a model, or has left."""
        return ", ".join(
            queue if queue in worker.ready_queues else f"{queue} (not ready)"
            for queue in worker.queues
        )

    @admin.display(description="alive", boolean=True)
    def is_alive(self, worker: Worker) -> bool:
        """Whether it is counted on; one that left or was lost is listed for an hour."""
        silent_s = (timezone.now() - worker.heartbeat_at).total_seconds()
        return worker.left_at is None and silent_s < settings.GENIE_NO_WORKER_S


@admin.register(Weight)
class WeightAdmin(admin.ModelAdmin[Weight]):
    """What organizations and applications count for in queues; who has none counts 100."""

    list_display = ("organization", "application", "weight")
    list_select_related = ("organization", "application")
    list_editable = ("weight",)
    search_fields = ("organization__slug", "application__name")
    raw_id_fields = ("organization", "application")
    ordering = ("organization__slug", "application__name")


breakdowns.add(Breakdown("model", "no known model", spending.daily_by_model))

admin.site.unregister([GroupResult, TaskResult])  # of no groups, and not to be written by hand


@admin.register(TaskResult)
class OutcomeAdmin(ReadOnlyAdmin, TaskResultAdmin):  # type: ignore[misc] # it ships no types
    """What maintenance tasks came to."""

    list_display = ("task_name", "status", "date_created", "date_done", "result", "worker")
    list_filter = ("status", ("date_done", TimeFilter))
    search_fields = ("task_name", "=task_id")
    ordering = ("-date_done",)


def _cancel(job_id: uuid.UUID) -> None:
    operations.cancel(job_id, organization_id=None, reason="Cancelled by an operator.")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return format_html("<pre>{}</pre>", json.dumps(value, ensure_ascii=False, indent=2))
