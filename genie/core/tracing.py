"""Traces by OpenTelemetry, where its own ``OTEL_*`` variables ask for them.

Elsewhere nothing of it is imported and nothing begun: ``begin`` answers with a span that does nothing.
The spans of a job are one trace over all processes: the context of its request's span is kept
with its row and its webhook events, as a W3C ``traceparent``.
"""

import functools
import importlib
import logging
import os
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Protocol

from genie.core import logs

logger = logging.getLogger(__name__)

Value = str | int | float | bool
_NONE: Mapping[str, Value] = {}

# A header of a later version may have more behind a dash; it is read as far as this one goes.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)")
_UNTRACED = ("/health", "/ready")  # probes: many, and nobody asks where they spent their time
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


class Kind(StrEnum):
    """OpenTelemetry's kinds of spans."""

    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"
    INTERNAL = "INTERNAL"


class Span(Protocol):
    """Something that takes time, in a trace."""

    @property
    def traceparent(self) -> str | None:
        """The context for whoever goes on with the trace; None where there is none."""

    @property
    def trace_id(self) -> str | None:
        """The trace's name, for logs."""

    def end(self, *, attributes: Mapping[str, Value] = _NONE, error: str | None = None) -> None:
        """End it now, as failed where there is an error."""

    def rename(self, name: str) -> None:
        """Give it the name that is known only now."""


class _Nothing:
    traceparent: str | None = None
    trace_id: str | None = None

    def end(self, *, attributes: Mapping[str, Value] = _NONE, error: str | None = None) -> None:
        pass

    def rename(self, name: str) -> None:
        pass


NOTHING: Span = _Nothing()


def begin(
    name: str,
    *,
    kind: Kind = Kind.INTERNAL,
    parent: str | None = None,
    attributes: Mapping[str, Value] = _NONE,
    ago_s: float = 0.0,
) -> Span:
    """Begin a span; end it whatever happens.

    Args:
        name: One of few: a route, a queue, never an id.
        kind: Its part in a conversation.
        parent: The ``traceparent`` that it belongs to; without a valid one it begins a trace.
        attributes: What is known of it: ids are fine, prompts are not.
        ago_s: How many seconds ago it began.
    """
    tracer = _tracer()
    if tracer is None:
        return NOTHING
    return tracer.begin(name, kind, parent, attributes, ago_s)


def of_request(scope: Mapping[str, Any]) -> Span:
    """Begin the span of a request, in its caller's trace if it names one."""
    if _tracer() is None or scope["path"] in _UNTRACED:
        return NOTHING
    header = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    span = begin(
        scope["method"],
        kind=Kind.SERVER,
        parent=header.decode("latin-1"),
        attributes={"http.request.method": scope["method"]},
    )
    _current.set(span.traceparent)  # a request has a task of its own
    logs.bind(trace_id=span.trace_id)
    return span


def answered(span: Span, *, method: str, route: str, status: int) -> None:
    """End the span of a request; the status is 0 where it was cut off before it had an answer."""
    if span is not NOTHING:
        span.rename(f"{method} {route}")
        error = f"HTTP {status}" if status >= 500 else None if status else "cut off"
        span.end(attributes={"http.route": route, "http.response.status_code": status}, error=error)


def current() -> str | None:
    """Return the context of the request that this task answers."""
    return _current.get()


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace of a context, for logs."""
    return None if traceparent is None else traceparent[3:35]


def is_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether OpenTelemetry's variables ask for traces."""
    # OpenTelemetry's: true turns all of it off.
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    # OpenTelemetry's: none turns traces off, otlp turns them on.
    if exporter := environ.get("OTEL_TRACES_EXPORTER", ""):
        return exporter != "none"
    # OpenTelemetry's: the collector that traces go to, such as `http://collector:4318`.
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    # The same for traces alone, with its whole path.
    return bool(endpoint or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))


class Tracer:
    """Begins spans with OpenTelemetry's SDK, which is imported by now.

    Args:
        provider: A ``TracerProvider``.
    """

    def __init__(self, provider: Any) -> None:
        self._trace = importlib.import_module("opentelemetry.trace")
        self._empty = importlib.import_module("opentelemetry.context").Context()
        self._tracer = provider.get_tracer("genie")

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Mapping[str, Value],
        ago_s: float,
    ) -> Span:
        """Begin a span."""
        span = self._tracer.start_span(
            name,
            context=self._context(parent),
            kind=self._trace.SpanKind[kind],
            attributes=dict(attributes),
            start_time=time.time_ns() - int(ago_s * 1e9),
        )
        return _Traced(span, self._trace)

    def _context(self, parent: str | None) -> Any:
        found = _TRACEPARENT.match(parent or "")
        if found is None:
            return self._empty
        trace_id, span_id, flags = (int(part, 16) for part in found.groups())
        context = self._trace.SpanContext(
            trace_id, span_id, is_remote=True, trace_flags=self._trace.TraceFlags(flags & 1)
        )
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(context), self._empty)


class _Traced:
    def __init__(self, span: Any, trace: Any) -> None:
        self._span, self._trace = span, trace
        context = span.get_span_context()
        self.trace_id: str | None = f"{context.trace_id:032x}"
        self.traceparent: str | None = (
            f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"
        )

    def end(self, *, attributes: Mapping[str, Value] = _NONE, error: str | None = None) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(name, value)
        if error is not None:
            self._span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, error))
        self._span.end()

    def rename(self, name: str) -> None:
        self._span.update_name(name)


@functools.lru_cache(maxsize=1)
def _tracer() -> Tracer | None:
    """Return this process's tracer, made when the first span begins; None where none is wanted."""
    if not is_wanted():
        return None
    try:
        exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
    except ImportError as error:
        told = "OTEL_* variables ask for traces, and %s is not installed: install the extra otel."
        logger.warning(told, error.name)  # a trace of this line would say no more
        return None
    # OpenTelemetry's: what traces call this system.
    name = os.environ.get("OTEL_SERVICE_NAME", "genie")
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": name}))
    provider.add_span_processor(export.BatchSpanProcessor(exporter.OTLPSpanExporter()))
    return Tracer(provider)
