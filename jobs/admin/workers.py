"""The workers that have been seen, and what organisations count for in queues."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.http import HttpRequest

from genie.core import ages
from genie.core.admin import ReadOnlyAdmin, WordedAdmin
from genie.core.models import DatabaseNow
from jobs import attendance
from jobs.models import Weight, Worker


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Workers that are there, and those that have not been gone for long."""

    list_display = (
        "name", "health", "serves", "running", "slots", "loaded_models", "trouble", "started_at",
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with how long each has been silent, by the database's clock."""
        silent = ExpressionWrapper(DatabaseNow() - F("heartbeat_at"), output_field=DurationField())
        rows: QuerySet[Any] = super().get_queryset(request).annotate(silent=silent)
        return rows

    @admin.display(description="health", ordering="left_at")
    def health(self, worker: Any) -> str:
        """Say how it does, and since when nothing was heard of one that does not report."""
        silent_s = worker.silent.total_seconds()
        health = attendance.health_of(
            age_s=silent_s,
            has_left=worker.left_at is not None,
            trouble=worker.trouble,
            is_ready=set(worker.queues) <= set(worker.ready_queues),
        )
        reports = health in (attendance.Health.SERVING, attendance.Health.LOADING)
        return str(health) if reports else f"{health}, heard of {ages.ago(silent_s)}"


class _WeightInList(forms.ModelForm[Weight]):
    """A row of the list, whose field says for a screen reader whose weight it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        if row.pk is None:  # the template of a row
            return
        whose = f"{row.organization}, {row.application}" if row.application else row.organization
        self.fields["weight"].widget.attrs["aria-label"] = f"Weight of {whose}"


@admin.register(Weight)
class WeightAdmin(WordedAdmin):
    """What organizations and applications count for in queues; who has none counts 100."""

    list_display = ("organization", "application", "weight")
    list_select_related = ("organization", "application")
    list_editable = ("weight",)
    search_fields = ("organization__slug", "application__name")
    autocomplete_fields = ("organization", "application")
    ordering = ("organization__slug", "application__name")

    def get_changelist_form(
        self, request: HttpRequest, **kwargs: Any
    ) -> type[forms.ModelForm[Weight]]:
        """Return the form of a row in the list."""
        return super().get_changelist_form(request, form=_WeightInList, **kwargs)
