"""Traces are made where OpenTelemetry's variables ask for them, and cost not even an import elsewhere."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from genie.core import tracing
from genie.core.tracing import Kind, Tracer

ROOT = Path(__file__).resolve().parents[3]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_SPEND_NOTHING = """
import sys
from genie.core import tracing
span = tracing.begin("x", parent="00-%s-%s-01")
span.end()
assert span is tracing.NOTHING and span.traceparent is None
assert not [name for name in sys.modules if name.startswith("opentelemetry")], "imported"
"""


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = Tracer(provider)
    monkeypatch.setattr(tracing, "_tracer", lambda: tracer)
    return exporter


class TestIsWanted:
    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({}, False),
            ({"OTEL_SERVICE_NAME": "genie"}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
            ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
            ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
            ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ],
    )
    def test_goes_by_the_standard_variables(
        self,
        environ: dict[str, str],
        expected: bool,  # noqa: FBT001 - of the table
    ) -> None:
        assert tracing.is_wanted(environ) is expected


class TestBegin:
    def test_off_imports_nothing(self) -> None:
        environ = {name: value for name, value in os.environ.items() if "OTEL_" not in name}
        code = _SPEND_NOTHING % (TRACE, PARENT)

        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)

    def test_goes_on_with_a_trace(self, spans: InMemorySpanExporter) -> None:
        parent = f"00-{TRACE}-{PARENT}-01"

        span = tracing.begin("wait chat", kind=Kind.CONSUMER, parent=parent, ago_s=2.0)
        span.end(attributes={"genie.job": "1"}, error="failed")

        (one,) = spans.get_finished_spans()
        assert one.context is not None
        assert one.parent is not None
        assert (f"{one.context.trace_id:032x}", f"{one.parent.span_id:016x}") == (TRACE, PARENT)
        assert span.traceparent == f"00-{TRACE}-{one.context.span_id:016x}-01"
        assert span.trace_id == tracing.trace_id_of(span.traceparent) == TRACE
        assert (one.name, one.kind) == ("wait chat", SpanKind.CONSUMER)
        assert (one.status.status_code, one.status.description) == (StatusCode.ERROR, "failed")
        assert dict(one.attributes or {}) == {"genie.job": "1"}
        assert one.start_time is not None
        assert one.end_time is not None
        assert 2e9 <= one.end_time - one.start_time < 3e9

    @pytest.mark.parametrize(
        "parent",
        [
            None,
            "",
            "nonsense",
            f"ff-{TRACE}-{PARENT}-01",
            f"00-{TRACE.upper()}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}",
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE}-{PARENT}-01suffix",
        ],
    )
    def test_begins_one_where_the_callers_is_none(
        self, spans: InMemorySpanExporter, parent: str | None
    ) -> None:
        tracing.begin("x", parent=parent).end()

        (one,) = spans.get_finished_spans()
        assert one.parent is None
        assert one.context is not None
        assert f"{one.context.trace_id:032x}" != TRACE

    def test_a_caller_that_does_not_sample_is_not_sampled(
        self, spans: InMemorySpanExporter
    ) -> None:
        span = tracing.begin("x", parent=f"00-{TRACE}-{PARENT}-00")
        span.end()

        assert spans.get_finished_spans() == ()
        assert span.traceparent is not None
        assert span.traceparent.endswith("-00")


class TestOfRequest:
    def test_probes_are_not_traced(self, spans: InMemorySpanExporter) -> None:
        scope = {"path": "/health", "method": "GET", "headers": []}

        assert tracing.of_request(scope) is tracing.NOTHING


class _Collector(http.server.BaseHTTPRequestHandler):
    got: list[tuple[str, ExportTraceServiceRequest]]
    arrived: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            raise AssertionError("not asked for")
        self.got.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()
        self.arrived.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        pass


@pytest.fixture
def collector() -> Iterator[Any]:
    handler = type("Handler", (_Collector,), {"got": [], "arrived": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_exports_by_otlp_over_http(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port, handler = collector.server_address[1], collector.RequestHandlerClass
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "genie-test")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    tracing._tracer.cache_clear()
    try:
        tracing.begin("POST /v1/chat/completions", kind=Kind.SERVER).end()
        assert handler.arrived.wait(10)
    finally:
        tracing._tracer.cache_clear()

    path, request = handler.got[0]
    (resource,) = request.resource_spans
    names = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert path == "/v1/traces"
    assert names["service.name"] == "genie-test"
    assert [one.name for one in resource.scope_spans[0].spans] == ["POST /v1/chat/completions"]
