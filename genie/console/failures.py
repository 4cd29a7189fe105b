"""Errors as pages for people and as JSON for programs: who gets which is decided here.

Below the API's prefixes an answer is always the native envelope. Elsewhere a browser, which accepts
HTML, is given a page.
"""

from django.http import HttpRequest, HttpResponse

from genie.console import pages
from genie.core import api, errors, logs

_API = ("/api/", "/v1/", "/openai/", "/files/", "/.well-known/")
_TITLES = {
    400: "That request makes no sense here",
    403: "You may not do this",
    404: "There is nothing here",
    500: "Something broke on our side",
    503: "Not available right now",
}


def page(request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    """Return the page of an error, with the request id that its log line has."""
    request_id = logs.about("request_id") or api.new_request_id()
    context = {
        "title": _TITLES.get(error.http_status, "That did not work"),
        "message": error.message,
        "code": error.code,
        "status": error.http_status,
        "request_id": request_id,
    }
    if error.http_status >= 500:  # the database may be what is away
        context["principal"] = None
    response = pages.render(request, "console/error.html", context, status=error.http_status)
    response.headers["X-Request-Id"] = request_id
    if "Retry-After" in error.headers:
        response.headers["Retry-After"] = error.headers["Retry-After"]
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a malformed request (``ROOT_URLCONF`` hook)."""
    if _is_program(request):
        return api.handler400(request, exception)
    return page(request, errors.InvalidRequest.of("", "The request is malformed."))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a forbidden request."""
    if _is_program(request):
        return api.handler403(request, exception)
    return page(request, errors.Forbidden(str(exception or "") or "You may not do this."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an unknown address."""
    if _is_program(request):
        return api.handler404(request, exception)
    return page(request, errors.NotFound("The address is wrong, or what was there has gone."))


def broken(request: HttpRequest) -> HttpResponse:
    """Answer after a defect, or an outage of the database."""
    if _is_program(request):
        return api.handler500(request)
    return page(request, api.what_broke())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer an unsafe request without its CSRF token (``CSRF_FAILURE_VIEW``)."""
    if _is_program(request):
        return api.csrf_failure(request, reason)
    message = "This form is no longer valid, since you have signed in or out meanwhile. Go back, reload the page, and send it again."
    return page(request, errors.Forbidden(message))


def _is_program(request: HttpRequest) -> bool:
    return request.path.startswith(_API) or "text/html" not in request.headers.get("Accept", "")
