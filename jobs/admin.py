"""Admin pages of jobs, attempts and workers: to look at, to cancel and to requeue."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from genie.core import errors, ids
from genie.core.admin import ReadOnly, ReadOnlyAdmin
from jobs import events, operations
from jobs.models import Attempt, Job, JobEvent, Worker
from jobs.states import JobKind

READ_PROMPTS = "jobs.view_prompt"
_AT_ONCE = 200  # jobs of one action: "select all" may mean a million
_LARGE = ("request", "result", "delta_ends", "webhook_secret")  # never loaded for a list


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


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs, newest first. Prompts and answers only for who may read them."""

    list_display = (
        "id",
        "state",
        "parked_by",
        "queue",
        "model",
        "organization",
        "attempt",
        "created_at",
    )
    list_select_related = ("organization",)
    list_filter = ("state", ("parked_by", admin.EmptyFieldListFilter), "queue")
    search_fields = ("=id",)  # see get_search_results
    search_help_text = "A job's id in any spelling, or an organisation's slug"
    ordering = ("-id",)
    actions = ("cancel", "requeue")
    inlines = (AttemptInline, JobEventInline)
    readonly_fields = ("public_id", "error_text", "request_text", "result_text")

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

    @admin.display(description="id in answers")
    def public_id(self, job: Job) -> str:
        return events.public_id(job.id, JobKind(job.kind))

    @admin.display(description="error")
    def error_text(self, job: Job) -> str:
        """Return the error as text; the template escapes it."""
        return _text(job.error)

    @admin.display(description="request")
    def request_text(self, job: Job) -> str:
        """Return what was asked as text; the template escapes it."""
        return _text(job.request)

    @admin.display(description="result")
    def result_text(self, job: Job) -> str:
        """Return the answer as text; the template escapes it."""
        return _text(job.result)


_FIELDSETS: tuple[tuple[str | None, dict[str, Any]], ...] = (
    (
        None,
        {
            "fields": (
                ("public_id", "id"),
                ("state", "parked_by", "kind", "mode"),
                ("queue", "lane", "requested_model", "model"),
                ("organization", "application_id", "member_id", "user_id", "api_key_id"),
                "error_text",
            )
        },
    ),
    (
        "Run",
        {
            "fields": (
                ("attempt", "max_attempts", "worker"),
                ("created_at", "queued_at", "started_at", "completed_at"),
                ("start_deadline_at", "run_deadline_at", "run_limit_s"),
                ("lease_expires_at", "not_before", "ticketed_at"),
                ("cancel_requested_at", "cancel_reason"),
            )
        },
    ),
    (
        "Cost",
        {
            "fields": (
                ("prompt_tokens", "completion_tokens"),
                ("estimate_microcredits", "cost_microcredits", "price_version"),
                "webhook_url",
            )
        },
    ),
)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Workers that have been seen lately."""

    list_display = ("name", "queues", "running", "slots", "loaded_models", "heartbeat_at")
    ordering = ("-heartbeat_at",)


def _cancel(job_id: uuid.UUID) -> None:
    operations.cancel(job_id, organization_id=None, reason="Cancelled by an operator.")


def _text(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)
