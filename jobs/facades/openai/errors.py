"""Errors in OpenAI's envelope."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from genie.core import errors
from jobs.dialects.openai_errors import error_object


def render(_request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    """Return an error of the tree in OpenAI's envelope, with its headers."""
    return JsonResponse(
        {"error": error_object(error)}, status=error.http_status, headers=error.headers
    )
