"""Errors in Oxen's two envelopes, A with a type and a title, B with a message; by what went wrong.

v1 leaves out ``status_message``, which came with v2.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from genie.core import errors
from jobs.facades.oxen.rows import TIMED_OUT

NOT_FOUND = "resource_not_found"
INVALID = "invalid_params"
UNKNOWN = "unknown_error"
_TITLES = {
    "unauthenticated": "You must be authenticated to access this resource",
    "unauthorized": "You are not authorized to perform this action",
    INVALID: "Invalid parameters supplied, please check your request and try again.",
    NOT_FOUND: "The requested resource could not be found",
    UNKNOWN: "An unknown error occurred",
}
_CAP_FIELDS = ("capLayer", "capWindow", "resetsAt")
# What envelope B tells, with which status and sentence; None is the native one.
_IN_B: tuple[tuple[type[errors.GenieError], int, str | None], ...] = (
    (errors.BudgetCapHit, 402, "Insufficient credits"),
    (errors.RateLimited, 429, None),
    (errors.QueueFull, 429, None),
    (errors.ContentPolicyViolation, 400, None),
)
# The routes of v1; enqueueing, which both generations share, answers as v1 does.
_V1 = "/api/media/"
_ENQUEUE = "/api/ai/queue"


class Fixed(errors.InvalidRequest):
    """A refusal in the contract's own words, with its body as v1 has it."""

    def __init__(self, message: str, body: dict[str, Any], *, http_status: int = 400) -> None:
        super().__init__(message)
        self.http_status = http_status
        self._body = body

    def body(self) -> dict[str, object]:
        """Return the envelope of this contract."""
        return dict(self._body)


class Said(Fixed):
    """A refusal whose sentence the contract fixes, in envelope B."""

    def __init__(self, message: str, *, http_status: int = 400) -> None:
        super().__init__(message, _b(message), http_status=http_status)


class OutOfRange(Fixed):
    """``num_generations`` is none of 1 to 4; both envelopes at once, for readers of either."""

    def __init__(self) -> None:
        message = "num_generations must be an integer between 1 and 4"
        both = _a(INVALID, message)
        both["error"]["message"] = message
        super().__init__(message, both)


class TextModel(Fixed):
    """A model that makes neither pictures nor videos; an envelope of its own."""

    def __init__(self) -> None:
        reason = ":unsupported_media_type"
        super().__init__(reason, {"error": {"detail": reason}})


def model_not_found(name: str) -> Said:
    """Return the refusal of a model that does not exist."""
    return Said(f"Model not found: {name}", http_status=404)


def render(request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    """Return an error of the tree in one of Oxen's envelopes, with its headers."""
    status, body = _told(error)
    if body.get("status") == "error" and not _is_v1(request):
        body["status_message"] = body["error"]["type"]
    return JsonResponse(body, status=status, headers=error.headers)


def _is_v1(request: HttpRequest) -> bool:
    return request.path.startswith(_V1) or (request.method == "POST" and request.path == _ENQUEUE)


def _told(error: errors.GenieError) -> tuple[int, dict[str, Any]]:
    """Return the status and the body, as v1 has it."""
    if isinstance(error, Fixed):
        return error.http_status, error.body()
    if error.http_status == errors.GatewayTimeout.http_status:  # waited for, or run for, too long
        return error.http_status, _b(TIMED_OUT)
    if isinstance(error, errors.InferenceFailed):
        # 500; but 400 for what only the model found wrong, and 409 for what somebody has ended.
        return error.http_status, _b(error.message)
    for kind, status, sentence in _IN_B:
        if isinstance(error, kind):
            extra = {name: error.extra[name] for name in _CAP_FIELDS if name in error.extra}
            code = {"code": error.code} if kind is errors.BudgetCapHit else {}
            return status, _b(sentence or error.message, **code, **extra)
    return error.http_status, _typed(error)


def _typed(error: errors.GenieError) -> dict[str, Any]:
    match error:
        case errors.Unauthorized():
            return _a("unauthenticated")
        case errors.Forbidden():
            return _a("unauthorized", error.message)
        case errors.NotFound():
            return _a(NOT_FOUND)  # the same for what is missing and for what is another's
        case errors.InternalError():
            return _a(UNKNOWN)
    return _a(INVALID if error.http_status < 500 else UNKNOWN, error.message)


def _a(kind: str, detail: str = "") -> dict[str, Any]:
    error = {"type": kind, "title": _TITLES[kind]}
    return {"error": error | ({"detail": detail} if detail else {}), "status": "error"}


def _b(message: str, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, **more}}
