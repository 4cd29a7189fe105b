"""What the pages have in common: whose answers may be read, and what is shown how."""

from typing import Any

from django.http import HttpRequest

from genie.core import ids
from genie.core.admin import ReadOnlyAdmin, link
from webhooks.models import Event

READ_ANSWERS = "jobs.view_prompt"  # the same permission as on a job's page


class BodyAdmin(ReadOnlyAdmin):
    """A page that shows what is sent, which has the answer in it, only to who may read answers."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if request.user.has_perm(READ_ANSWERS):
            return fields
        return [field for field in fields if field != "body_text"]


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
