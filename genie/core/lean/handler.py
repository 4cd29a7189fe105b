"""The handler itself: from a request of the server to a view, and back with its answer or its error."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import Resolver404, get_resolver

from genie.core import api, errors, hosts, logs, tracing, traffic
from genie.core.lean import bodies, sending
from genie.core.lean.messages import LeanRequest, Receive, Scope, Send, View

logger = logging.getLogger(__name__)


class LeanHandler:
    """Serves the async views of one URL configuration.

    Args:
        urlconf: Dotted name of the routes.
        body_limit: The most bytes of a request body, for each path.
        spools: Paths whose bodies are not kept in memory but read as streams, from a file if they
            are long.
        any_host: Paths that answer under any host name: probes come by address.
        render: Turns an error of the tree into an answer in the facade's envelope.
        finish: Adds to each answer what the facade's contract has of its own.
    """

    def __init__(
        self,
        urlconf: str,
        *,
        body_limit: Callable[[str], int],
        spools: Collection[str] = (),
        any_host: Collection[str] = (),
        render: Callable[[HttpRequest, errors.GenieError], HttpResponse] | None = None,
        finish: Callable[[HttpResponseBase], None] = lambda _response: None,
    ) -> None:
        self._resolver = get_resolver(urlconf)
        # Routes without parameters, by path: resolved once.
        self._fixed: dict[str, tuple[View, str]] = {}
        self._body_limit = body_limit
        self._spools = frozenset(spools)
        self._any_host = frozenset(any_host)
        self._hosts = hosts.Hosts()
        self._render = render or _render
        self._finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began, path = time.perf_counter(), scope["path"]
        host, length = _declared(scope)
        with bodies.collector(spools=path in self._spools) as body:
            try:
                refusal = await bodies.take_body(receive, self._body_limit(path), length, into=body)
            except bodies.Gone:
                return
            if path not in self._any_host:
                refusal = self._hosts.refusal(host) or refusal
            request = LeanRequest(scope, body.whole(), receive)
            logs.bind(request_id=request.request_id)  # a request has a task of its own
            span = tracing.of_request(scope)
            status = 0  # until there is an answer
            try:
                with request.until_answered:
                    response = await self._respond(request, refusal)
                    for name, value in request.caller_headers.items():
                        response.headers.setdefault(name, value)
                    self._finish(response)
                    status = response.status_code
                    await sending.answer(response, request, send)
            finally:
                method, took_s = scope["method"], time.perf_counter() - began
                if status:
                    traffic.answered(method, request.route, status, took_s)
                tracing.answered(span, method=method, route=request.route, status=status)

    async def _respond(
        self, request: LeanRequest, refusal: errors.GenieError | None
    ) -> HttpResponseBase:
        if refusal is not None:
            return self._render(request, refusal)
        try:
            view, arguments = self._route(request)
            return await view(request, **arguments)
        except Exception as error:
            # The boundary of a request: whatever is raised becomes one envelope, and a defect a log line.
            translated = api.translate(error, method=request.method or "")
            if isinstance(translated, errors.InternalError):
                logger.exception("A request failed")
            return self._render(request, translated)

    def _route(self, request: LeanRequest) -> tuple[View, dict[str, Any]]:
        if (fixed := self._fixed.get(request.path_info)) is not None:
            view, request.route = fixed
            return view, {}
        try:
            match = self._resolver.resolve(request.path_info)
        except (Resolver404, UnicodeError):
            raise errors.NotFound(
                f"There is no route {request.method} {request.path[:200]}."
            ) from None
        request.route = traffic.route_of(match.route)
        if not match.kwargs:
            self._fixed[request.path_info] = match.func, request.route
        return match.func, match.kwargs


def routes(**methods: View) -> Any:
    """Return one view that dispatches by method, answers HEAD like GET and refuses the others.

    Typed Any, since ``django.urls.path`` declares synchronous views only.
    """
    allowed = sorted(methods)

    async def dispatch(request: HttpRequest, **kwargs: object) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" and "GET" in methods else request.method or ""
        view = methods.get(method)
        if view is None:
            raise errors.MethodNotAllowed(method, allowed)
        return await view(request, **kwargs)

    dispatch.methods = tuple(allowed)  # type: ignore[attr-defined] # for who describes the routes
    return dispatch


def _declared(scope: Scope) -> tuple[bytes, int]:
    """Return the host that a request is for, and how long it says that its body is.

    Hosts, if there are several, become one that is none.
    """
    host, length = b"", 0
    for name, value in scope["headers"]:
        if name == b"host":
            host = host + b"," + value if host else value
        elif name == b"content-length":
            length = int(value) if value.isdigit() else 0
    return host, length


def _render(_request: HttpRequest, error: errors.GenieError) -> HttpResponse:
    return JsonResponse(error.body(), status=error.http_status, headers=error.headers)
