"""Errors in Bifrost's envelope: its own sentences, and what the native tree becomes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from genie.core import errors, logs
from jobs.dialects import bifrost
from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost import keys
from jobs.serving import wire

NOT_FOUND = "job not found or expired"  # whatever the reason: nobody can tell them apart
_TYPES = {bifrost.PREFIX + path: request_type.value for request_type, path in bifrost.PATHS.items()}
_CAP_FIELDS = ("capLayer", "capWindow", "resetsAt")
# What the native errors are called in ``type``; the others have none.
_ERROR_TYPES: tuple[tuple[type[errors.GenieError], str], ...] = (
    (errors.BudgetCapHit, "budget_exceeded"),
    (errors.ModelNotAllowed, "model_blocked"),
    (errors.Forbidden, "virtual_key_blocked"),
    (errors.RateLimited, "rate_limited"),
    (errors.QueueFull, "rate_limited"),
)
# Their native codes say nothing that the sentence of the contract does not.
_UNCODED = (errors.InvalidRequest, errors.NotFound, errors.MethodNotAllowed, errors.InternalError)


class Refused(errors.InvalidRequest):
    """A submission that breaks the contract, in the contract's own sentence."""

    def __init__(self, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.reason = code
        self.param = param


class KeyMissing(errors.Unauthorized):
    """A submission without a key."""

    def __init__(self) -> None:
        super().__init__("virtual key is required. Provide a virtual key via the x-bf-vk header.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """An error as the envelope says it."""

    status: int
    message: str
    error_type: str = ""
    code: str = ""
    param: str = ""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def render(request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    """Return an error of the tree in Bifrost's envelope, with its headers."""
    return refusal(request, error)


def refusal(request: HttpRequest, error: errors.GenieError, *, model: str = "") -> HttpResponse:
    """Return an error as an answer; ``model`` is the one that was asked for, once that is known."""
    adopt_request_id(request)
    polls = request.method in ("GET", "HEAD")
    if polls and isinstance(error, errors.NotFound):
        return not_found()
    told = _told(error, polls=polls)
    known: dict[str, Any] = {}
    if (request_type := _TYPES.get(request.path)) is not None:
        known["request_type"] = request_type
    if model:
        known["model_requested"] = model
    body = bifrost.envelope(
        told.status,
        told.message,
        error_type=told.error_type,
        code=told.code,
        param=told.param,
        extra={**known, **told.extra},
    )
    # 400 stands for an unknown key here, and a challenge belongs to 401 alone.
    challenged = isinstance(error, errors.Unauthorized) and told.status != 401
    return answer(body, status=told.status, headers=None if challenged else error.headers)


def not_found() -> HttpResponse:
    """Return the one 404 of every poll."""
    return answer(bifrost.envelope(404, NOT_FOUND), status=404)


def answer(
    body: Mapping[str, Any], *, status: int, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return a JSON answer."""
    return HttpResponse(
        wire.dumps(body), status=status, content_type="application/json", headers=headers
    )


def adopt_request_id(request: HttpRequest) -> None:
    """Let the answer carry the caller's own request id, where it sent one."""
    if (own := keys.request_id(request)) is not None:
        request.request_id = own  # type: ignore[attr-defined] # of LeanRequest
        logs.bind(request_id=own)


def unsupported_stream(request_type: RequestType) -> Refused:
    """Return the refusal of a stream, which is called by the type's plural."""
    field = "stream_format" if request_type is RequestType.SPEECH else "stream"
    plural = {
        RequestType.RESPONSES: "responses",
        RequestType.SPEECH: "speech",
    }.get(request_type, f"{request_type.value.replace('_', ' ')}s")
    return Refused(f"stream is not supported for async {plural}", param=field)


def _told(error: errors.GenieError, *, polls: bool) -> _Told:
    match error:
        case Refused():
            return _Told(status=400, message=error.message, code=error.reason, param=error.param)
        case KeyMissing():
            return _Told(status=401, message=error.message, error_type="virtual_key_required")
        case errors.Unauthorized():
            return _Told(status=400, message="virtual key not found")
        case errors.Unavailable():
            done = "failed to retrieve async job" if polls else "failed to create async job"
            return _Told(status=500, message=f"{done}: storage unavailable")
        case errors.InvalidRequest():
            message = f"invalid request format: {error.message}"
            return _Told(status=400, message=message, param=_param(error))
        case _:
            return _native(error)


def _native(error: errors.GenieError) -> _Told:
    caps = {name: error.extra[name] for name in _CAP_FIELDS if name in error.extra}
    types = (name for kind, name in _ERROR_TYPES if isinstance(error, kind))
    return _Told(
        status=error.http_status,
        message=error.message,
        error_type=next(types, ""),
        code="" if isinstance(error, _UNCODED) else error.code,
        extra=caps,
    )


def _param(error: errors.InvalidRequest) -> str:
    details = error.extra.get("details")
    return str(details[0]["field"]) if isinstance(details, list) and details else ""
