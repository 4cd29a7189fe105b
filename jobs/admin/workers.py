"""The workers that have been seen, and what organisations count for in queues."""

from django.conf import settings
from django.contrib import admin
from django.utils import timezone

from genie.core.admin import ReadOnlyAdmin, WordedAdmin
from jobs.models import Weight, Worker


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
class WeightAdmin(WordedAdmin):
    """What organizations and applications count for in queues; who has none counts 100."""

    list_display = ("organization", "application", "weight")
    list_select_related = ("organization", "application")
    list_editable = ("weight",)
    search_fields = ("organization__slug", "application__name")
    autocomplete_fields = ("organization", "application")
    ordering = ("organization__slug", "application__name")
