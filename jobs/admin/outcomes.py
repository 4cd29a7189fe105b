"""What the maintenance tasks came to, as Celery's result backend keeps it."""

from django.contrib import admin
from django_celery_results.admin import TaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult

from genie.core.admin import ReadOnlyAdmin, TimeFilter

admin.site.unregister([GroupResult, TaskResult])  # of no groups, and not to be written by hand


@admin.register(TaskResult)
class OutcomeAdmin(ReadOnlyAdmin, TaskResultAdmin):  # type: ignore[misc] # it ships no types
    """What maintenance tasks came to."""

    list_display = ("task_name", "status", "date_created", "date_done", "result", "worker")
    list_filter = ("status", ("date_done", TimeFilter))
    search_fields = ("task_name", "=task_id")
    ordering = ("-date_done",)
