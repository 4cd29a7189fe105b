"""One trace leads from a caller's request through its ticket and its attempt to the webhook's receiver."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from genie.core import tracing
from genie.core.tracing import Tracer
from genie.tenants import limits
from genie.tenants import services as tenants
from inference.engine import Engine
from jobs import queue, registry
from jobs.models import Job
from jobs.runner import Runner, RunnerConfig
from jobs.stream import Writer
from tests import builders, in_process
from tests.integration.webhooks import builders as webhooks
from tests.integration.webhooks import receivers
from tests.integration.webhooks.receivers import Receiver

# Real commits: web process and runner have threads of their own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = Tracer(provider)
    monkeypatch.setattr(tracing, "_tracer", lambda: tracer)
    return exporter


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.GENIE_OUTBOUND_DEVELOPMENT = True
    with receivers.serve() as served:
        yield served


def submit(receiver: Receiver, **headers: str) -> Job:
    """Submit through the site with a webhook, and let a worker run the job and send its webhook."""
    account = builders.make_account()
    new = limits.NewKey(name="k")
    key = tenants.create_key(account.organization_id, new, by=None, now=timezone.now()).full_key
    body = {
        "model": "echo-chat",
        "mode": "async",
        "messages": [{"role": "user", "content": "one two"}],
        "webhook": {"url": receiver.url(), "secret": "x" * 24},
    }
    with in_process.site() as site:
        sent = {"authorization": f"Bearer {key}"} | headers
        answer = site.send("POST", "/v1/chat/completions", body, headers=sent)
    assert answer.status == 202, answer.body
    assert queue.sender.flush(timeout_s=10)
    (claimed,) = builders.claim()
    run(claimed)
    assert webhooks.deliver() == 1
    return Job.objects.get()


def run(claimed: Any) -> None:
    config = RunnerConfig(
        worker="worker-b",
        slots={"chat": 1},
        models=None,
        lease_s=30.0,
        heartbeat_s=10.0,
        drain_s=30.0,
    )
    runner = Runner(config, engine=Engine(registry.models()), writer=Writer())
    runner.start()
    runner.run(claimed)
    runner.close()


def test_one_trace_from_the_request_to_the_receiver(
    spans: InMemorySpanExporter, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "send_now", lambda *_: True)

    job = submit(receiver, traceparent=CONTEXT)

    found = {one.name: one for one in spans.get_finished_spans()}
    contexts = {name: one.context for name, one in found.items() if one.context is not None}
    assert set(found) == {
        "POST /v1/chat/completions",
        "ticket chat",
        "wait chat",
        "attempt chat",
        "webhook job.completed",
    }
    assert {f"{one.trace_id:032x}" for one in contexts.values()} == {TRACE}
    request = found["POST /v1/chat/completions"]
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT
    of_request = contexts["POST /v1/chat/completions"].span_id
    others = [one.parent for one in found.values() if one is not request]
    assert {one.span_id for one in others if one is not None} == {of_request}
    assert job.traceparent == f"00-{TRACE}-{of_request:016x}-01"
    sent = receiver.requests[0].headers["traceparent"]
    assert sent == f"00-{TRACE}-{contexts['webhook job.completed'].span_id:016x}-01"
    attempt = dict(found["attempt chat"].attributes or {})
    assert (attempt["genie.job"], attempt["genie.outcome"]) == (str(job.id), "completed")
    assert "one two" not in str([one.to_json() for one in found.values()])


def test_without_opentelemetry_nothing_is_kept_or_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "send_now", lambda *_: True)

    job = submit(receiver, traceparent=CONTEXT)

    assert job.traceparent is None
    assert "traceparent" not in receiver.requests[0].headers
