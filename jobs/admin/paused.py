"""The queues that are paused: since when, by whom and why; to pause another, and to resume one."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from genie.core import errors
from genie.core.admin import (
    Confirmed,
    OperatingAdmin,
    Operation,
    ReadOnlyAdmin,
    ReasonForm,
    on_record,
)
from jobs import standing, steering
from jobs.models import QueuePause
from jobs.standing import Standing

MAY_PAUSE = "jobs.add_queuepause"
MAY_RESUME = "jobs.delete_queuepause"


class PauseForm(ReasonForm):
    """Which queue, beside why."""

    queue = forms.ChoiceField(label="Queue")
    reason = forms.CharField(
        max_length=steering.LONGEST_REASON,
        label="Why",
        help_text="For your colleagues: it stands beside the queue, and in the log of the admin.",
        widget=forms.TextInput(attrs={"size": 80}),
    )
    field_order = ["queue", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [one.queue for one in standing.queues() if one.pause is None]
        cast("forms.ChoiceField", self.fields["queue"]).choices = [(name, name) for name in names]


def _resume(queue: str, given: Confirmed) -> str:
    del given
    resumed = steering.resume(queue)
    if not resumed.was_paused:
        raise errors.NotFound(f"The queue {queue} is not paused any more.")
    return f"The queue {queue} is resumed; {resumed.queued} jobs wait in it."


@admin.register(QueuePause)
class PauseAdmin(OperatingAdmin, ReadOnlyAdmin):
    """Queues from which nothing is claimed. A row is a pause: it is made and ended, never changed."""

    list_display = ("queue", "paused_at", "paused_by", "reason", "waiting", "running")
    fields = readonly_fields = list_display
    ordering = ("-paused_at",)
    change_list_template = "admin/jobs/queuepause/change_list.html"
    operations = (
        Operation(
            name="resume",
            button="Resume",
            label="Resume the selected queues",
            warning="Its jobs are claimed again, in their order, by the workers that serve it.",
            done="queues resumed",
            permission=MAY_RESUME,
            run=_resume,
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this user may pause queues."""
        del obj
        return request.user.has_perm(MAY_PAUSE)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask which queue and why, and pause it.

        Not in Django's own view, which has a transaction: whoever pauses waits for the claims that
        are under way, and is done when the pause is committed.
        """
        del form_url, extra_context
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PauseForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            return self._pause(request, **form.cleaned_data)
        context = {
            **self.admin_site.each_context(request),
            "title": "Pause a queue",
            "opts": self.opts,
            "media": self.media,
            "form": form,
        }
        return TemplateResponse(request, "admin/jobs/queuepause/ask.html", context)

    def look_up(self, rows: Sequence[Any]) -> None:
        """Set on the rows what stands in their queues."""
        now = {one.queue: one for one in standing.queues()} if rows else {}
        for row in rows:
            row.now = now.get(row.queue, Standing(queue=row.queue))

    @admin.display(description="waiting jobs")
    def waiting(self, pause: Any) -> int:
        return int(pause.now.queued)

    @admin.display(description="running jobs")
    def running(self, pause: Any) -> int:
        """Return how many run on: a pause stops none."""
        return int(pause.now.running)

    def _pause(self, request: HttpRequest, *, queue: str, reason: str) -> HttpResponse:
        row = QueuePause(queue=queue, paused_at=timezone.now())
        try:
            with on_record(request, row, "pause", why=reason):
                steering.pause(queue, reason=reason, by=f"{request.user.get_username()} (admin)")
        except errors.GenieError as error:
            self.message_user(request, error.message, level=messages.ERROR)
        else:
            said = f"The queue {queue} is paused: what runs goes on, what comes is queued."
            self.message_user(request, said, level=messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:jobs_queuepause_changelist"))
