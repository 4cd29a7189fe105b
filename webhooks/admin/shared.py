"""What the pages have in common: whose answers may be read, and doing one thing to many rows."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from genie.core import errors, ids
from genie.core.admin import ReadOnlyAdmin, link
from webhooks.models import Event

READ_ANSWERS = "jobs.view_prompt"  # the same permission as on a job's page
AT_ONCE = 200  # rows of one action: "select all" may mean a million
_SHOWN_REFUSALS = 10


class BodyAdmin(ReadOnlyAdmin):
    """A page that shows what is sent, which has the answer in it, only to who may read answers."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if request.user.has_perm(READ_ANSWERS):
            return fields
        return [field for field in fields if field != "body_text"]


def each(
    page: ModelAdmin[Any],
    request: HttpRequest,
    queryset: QuerySet[Any],
    operate: Callable[[uuid.UUID], object],
    *,
    done: str,
) -> None:
    """Operate on each row, and say how many there were and why others were refused."""
    refusals = []
    row_ids = list(queryset.values_list("id", flat=True)[:AT_ONCE])
    for row_id in row_ids:
        try:
            operate(row_id)
        except errors.GenieError as error:
            refusals.append(error.message)
    page.message_user(request, f"{len(row_ids) - len(refusals)} {done}.")
    for refusal in refusals[:_SHOWN_REFUSALS]:
        page.message_user(request, refusal, level=messages.WARNING)


def about(event: Event) -> str:
    """Return what an event is about, as a link where that is a job."""
    if event.reference is None:
        return "-"
    if event.type.startswith("job."):
        return link("jobs_job", event.reference, ids.bare(event.reference))
    return str(event.reference)


def text(raw: Any) -> str:
    """Return bytes as text; the template escapes it."""
    return bytes(raw).decode("utf-8", "replace")
