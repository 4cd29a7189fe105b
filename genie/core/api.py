"""What every HTTP answer shares: the native envelope for DRF and Django errors, request ids."""

import logging
import random
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions as drf
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from genie.core import errors, outages, strict_json

logger = logging.getLogger(__name__)


def new_request_id() -> str:
    """Return a fresh id for the ``X-Request-Id`` header."""
    return f"req_{random.getrandbits(96):024x}"


class StrictJSONParser(BaseParser):
    """Parses management bodies as strictly as the job routes do (``REST_FRAMEWORK`` setting).

    Fractions stay decimal: these bodies state caps, and a float would hide digits that a cap may
    not have.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the body as an object; raises InvalidRequest or UnsupportedMediaType for anything else."""
        meta = (parser_context or {})["request"].META
        strict_json.require_declared(
            meta.get("CONTENT_TYPE", ""), encoding=meta.get("HTTP_CONTENT_ENCODING", "")
        )
        return strict_json.decode_object(stream.read(), fraction=strict_json.exact)


class JSONAlways(DefaultContentNegotiation):
    """Answers JSON whatever is accepted, as the job routes do: there is nothing else to choose from."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Return the one renderer."""
        return renderers[0], renderers[0].media_type


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Render any error of a DRF view in the native envelope (``REST_FRAMEWORK`` setting)."""
    translated = translate(error, method=_method(context))
    if isinstance(translated, errors.InternalError):
        logger.error("A management view failed", exc_info=error)
    return Response(translated.body(), status=translated.http_status, headers=translated.headers)


def translate(error: Exception, *, method: str = "") -> errors.GenieError:
    """Return the error of our tree for whatever Django, DRF or the database raised."""
    if isinstance(error, errors.GenieError):
        return error
    if isinstance(error, drf.MethodNotAllowed):
        return _method_not_allowed(error, method)
    for raised, make in _TRANSLATIONS:
        if isinstance(error, raised):
            return make(error)
    return outages.refusal(error) or errors.InternalError()


def _invalid(error: Exception) -> errors.GenieError:
    details = list(_details(getattr(error, "detail", ""), ""))
    first = details[0] if details else {"field": "", "message": "The request is invalid."}
    where = f"{first['field']}: " if first["field"] else ""
    return errors.InvalidRequest(f"{where}{first['message']}", details=details)


def _method_not_allowed(error: drf.MethodNotAllowed, method: str) -> errors.GenieError:
    refusal = errors.MethodNotAllowed(method or "This method", ["another method"])
    del refusal.headers["Allow"]  # DRF's own view has set the true one
    refusal.message = f"{method or 'This method'} is not allowed here; see the Allow header."
    return refusal


def _forbidden(error: Exception) -> errors.GenieError:
    return errors.Forbidden(str(getattr(error, "detail", "")) or "You may not do this.")


_Translation = tuple[
    type[Exception] | tuple[type[Exception], ...], Callable[[Exception], errors.GenieError]
]
_TRANSLATIONS: tuple[_Translation, ...] = (
    (drf.ValidationError, _invalid),
    (drf.ParseError, lambda _: errors.InvalidRequest.of("", "The body is not valid JSON.")),
    ((drf.NotAuthenticated, drf.AuthenticationFailed), lambda _: errors.Unauthorized()),
    ((drf.PermissionDenied, PermissionDenied), _forbidden),
    ((Http404, drf.NotFound), lambda _: errors.NotFound("There is nothing here.")),
    (
        drf.UnsupportedMediaType,
        lambda _: errors.UnsupportedMediaType("Send the body as application/json."),
    ),
    (
        RequestDataTooBig,
        lambda _: errors.PayloadTooLarge("The body is larger than this route accepts."),
    ),
    (SuspiciousOperation, lambda _: errors.InvalidRequest.of("", "The request is malformed.")),
)


def handler400(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer a malformed request (``ROOT_URLCONF`` hook)."""
    return _json(errors.InvalidRequest.of("", "The request is malformed."))


def handler403(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer a forbidden request."""
    return _json(errors.Forbidden("You may not do this."))


def handler404(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer an unknown route."""
    return _json(errors.NotFound(f"There is no route {request.method} {request.path}."))


def handler500(request: HttpRequest) -> JsonResponse:
    """Answer after a defect, or an outage."""
    return _json(what_broke())


def what_broke() -> errors.GenieError:
    """Return the error of our tree for what is being handled: an outage of the database, else a defect."""
    error = sys.exc_info()[1]
    return (outages.refusal(error) if error is not None else None) or errors.InternalError()


def csrf_failure(request: HttpRequest, reason: str = "") -> JsonResponse:
    """Answer an unsafe request with a session cookie but no CSRF token (``CSRF_FAILURE_VIEW``)."""
    return _json(errors.Forbidden("The CSRF token is missing or wrong; send it as X-CSRFToken."))


def _json(error: errors.GenieError) -> JsonResponse:
    return JsonResponse(error.body(), status=error.http_status, headers=error.headers)


def _method(context: dict[str, Any]) -> str:
    request = context.get("request")
    return str(getattr(request, "method", "") or "")


def _details(detail: Any, path: str) -> Any:
    """Yield ``{field, message}`` for every leaf of DRF's nested error detail."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _details(value, f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for value in detail:
            yield from _details(value, path)
    else:
        yield {"field": path, "message": str(detail)}
