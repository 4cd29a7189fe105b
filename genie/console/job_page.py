"""The page of one job: what it answers as it comes, and what has happened to it."""

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from genie.console import failures, pages
from genie.core import errors, ids
from genie.tenants.authentication import KeyAuthentication
from genie.tenants.models import User
from genie.tenants.principal import Principal
from genie.tenants.scopes import Scope
from jobs import timeline


@require_safe
def job_page(request: HttpRequest, job_id: str) -> HttpResponse:
    """Show the frame of a job's page; its script reads the job as whoever calls the API.

    A signed-in member is told at once if there is no such job. Anybody else may have a key.
    """
    principal = pages.principal_of(request)
    parsed = ids.parse(job_id)
    known = parsed is not None and (
        principal is None
        or timeline.timeline(parsed, organization_id=principal.organization_id) is not None
    )
    if not known:
        return failures.page(
            request, errors.JobNotFound("Your organization has no such job, or no longer.")
        )
    context = {"job_id": job_id, "principal": principal, "section": "jobs"}
    return pages.render(request, "console/job.html", context)


@require_safe
def job_timeline(request: HttpRequest, job_id: str) -> HttpResponse:
    """Return the attempts and transitions of a job as a part of its page, for a session or a key."""
    try:
        principal = _caller(request)
        principal.require_scope(Scope.JOBS_READ)
        found = timeline.timeline(_parsed(job_id), organization_id=principal.organization_id)
        if found is None:
            raise errors.JobNotFound
    except errors.GenieError as error:
        return JsonResponse(error.body(), status=error.http_status, headers=error.headers)
    return pages.render(
        request, "console/_timeline.html", {"timeline": found, "principal": principal}
    )


def _parsed(job_id: str) -> uuid.UUID:
    parsed = ids.parse(job_id)
    if parsed is None:
        raise errors.JobNotFound
    return parsed


def _caller(request: HttpRequest) -> Principal:
    """Return the caller: a key decides when a session comes too, as it does for the API."""
    authenticated = KeyAuthentication().authenticate(Request(request))
    if authenticated is not None:
        return authenticated[1]
    principal = pages.principal_of(request)
    if principal is None:
        if isinstance(request.user, User):
            raise errors.Forbidden("You are a member of no organization.")
        raise errors.Unauthorized
    return principal
