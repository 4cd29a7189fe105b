"""Errors as OpenAI's error object: the vendor publishes none of its own, and its clients are OpenAI's."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from genie.core import errors

_TYPES = {402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {
    "invalid-request": "invalid_request",
    "unauthorized": "invalid_api_key",
    "model-not-found": "model_not_found",
    "job-not-found": "generation_not_found",
}
_MESSAGES = {
    "unauthorized": "Incorrect API key provided",
    "job-not-found": "Generation not found",
    "internal-error": "The server had an error while processing your request",
}
_BESIDE = ("capLayer", "capWindow", "resetsAt")  # what a refusal of the budget says further
_PLACE = re.compile(r"\.(\d+)(?=\.|$)")


class GroupNotFound(errors.NotFound):
    """No such group in the caller's organisation, or not any more."""

    code = "group_not_found"

    def __init__(self) -> None:
        super().__init__("Group not found")


def render(_request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    """Return an error of the tree in this contract's envelope, with its headers."""
    return JsonResponse({"error": body(error)}, status=error.http_status, headers=error.headers)


def body(error: errors.GenieError) -> dict[str, Any]:
    """Return the error object."""
    field = _detail(error).get("field")
    usual = "server_error" if error.http_status >= 500 else "invalid_request_error"
    return {
        "message": _MESSAGES.get(error.code, _message(error)),
        "type": _TYPES.get(error.http_status, usual),
        "param": param(field) if field else None,
        "code": _CODES.get(error.code, error.code),
        **{name: error.extra[name] for name in _BESIDE if name in error.extra},
    }


def param(field: str) -> str:
    """Return a field's name as OpenAI writes it.

    >>> param("requests.3.messages.0.role")
    'requests[3].messages[0].role'
    """
    return _PLACE.sub(r"[\1]", field)


def in_request(index: int, error: errors.GenieError) -> errors.GenieError:
    """Return what is wrong with one request of a group, as what is wrong with the group.

    A model that does not exist is something wrong with the body here; whether the caller may do and
    pay for it is not.
    """
    if not isinstance(error, errors.InvalidRequest | errors.ModelNotFound):
        return error
    detail = _detail(error)
    inner = "model" if isinstance(error, errors.ModelNotFound) else detail.get("field", "")
    field = f"requests.{index}.{inner}".rstrip(".")
    message = detail.get("message", error.message)
    # A sentence that names its field names it by its whole path, and one that the contract fixes stays.
    whole = message if message == error.message else f"{param(field)}: {message}"
    return errors.InvalidRequest(whole, details=[{"field": field, "message": message}])


def _detail(error: errors.GenieError) -> dict[str, str]:
    details = error.extra.get("details")
    return details[0] if isinstance(details, list) and details else {}


def _message(error: errors.GenieError) -> str:
    detail = _detail(error)
    field, message = detail.get("field", ""), detail.get("message", "")
    if field and error.message == f"{field}: {message}":
        return f"{param(field)}: {message}"
    return error.message
