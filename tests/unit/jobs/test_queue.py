"""Tickets leave in the background, a few for a burst, and a broker that is away costs nobody."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import celery
import pytest
from amqp.exceptions import AccessRefused
from kombu.exceptions import OperationalError

from genie.core import ids, metrics
from genie.core.tracing import Value
from jobs import queue
from jobs.queue import TicketSender
from webhooks import queue as webhooks_queue

_NONE: Mapping[str, Value] = {}


class Broker:
    """The broker's side of the sender."""

    def __init__(self) -> None:
        self.tickets: list[tuple[str, list[str]]] = []
        self.takes = True
        self.listening: set[str] = set()  # the queues of which workers hear nudges
        self.nudged = threading.Event()

    def nudge(self, jobs: Mapping[str, int]) -> set[str]:
        self.nudged.set()
        return self.listening & jobs.keys()

    def send(self, name: str, job_ids: Sequence[str]) -> bool:
        self.tickets.append((name, list(job_ids)))
        return self.takes

    def jobs(self, name: str) -> list[str]:
        return [job_id for queue_, job_ids in self.tickets for job_id in job_ids if queue_ == name]


class Span:
    """A span that tells how it ended."""

    traceparent = trace_id = None

    def __init__(self) -> None:
        self.errors: list[str | None] = []

    def end(self, *, attributes: Mapping[str, Value] = _NONE, error: str | None = None) -> None:
        assert not attributes
        self.errors.append(error)

    def rename(self, name: str) -> None:
        raise AssertionError(name)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(queue, "send_now", made.send)
    monkeypatch.setattr("jobs.queue.control.nudge", made.nudge)
    return made


def some(count: int) -> list[uuid.UUID]:
    return [ids.new_id() for _ in range(count)]


class TestSend:
    def test_names_every_job_once_on_the_ticket_of_its_queue(self, broker: Broker) -> None:
        sender, chats, embeddings = TicketSender(), some(20), some(3)

        sender.send({"chat": chats, "embedding": embeddings})

        assert sender.flush(timeout_s=10)
        assert broker.jobs("chat") == [str(job_id) for job_id in chats]
        assert broker.jobs("embedding") == [str(job_id) for job_id in embeddings]

    def test_spreads_a_burst_over_several_tickets(self, broker: Broker) -> None:
        sender = TicketSender()

        sender.send({"chat": some(20)})

        assert sender.flush(timeout_s=10)
        sizes = [len(job_ids) for _, job_ids in broker.tickets]
        assert max(sizes) <= queue.JOBS_PER_TICKET

    def test_gathers_what_comes_close_together(self, broker: Broker) -> None:
        sender = TicketSender()

        for job_id in some(200):
            sender.send({"chat": [job_id]})

        assert sender.flush(timeout_s=10)
        assert len(broker.jobs("chat")) == 200
        assert len(broker.tickets) < 200

    def test_does_not_ask_a_broker_that_was_just_away(self, broker: Broker) -> None:
        sender = TicketSender()
        failed = metrics.ticket_send_failed.labels("chat")._value.get()
        broker.takes = False
        sender.send({"chat": some(1)})
        assert sender.flush(timeout_s=10)

        sender.send({"chat": some(1)})

        assert sender.flush(timeout_s=10)
        assert len(broker.tickets) == 1
        assert metrics.ticket_send_failed.labels("chat")._value.get() == failed + 1

    def test_waits_with_the_ticket_of_what_a_worker_has_heard_of(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue, "HEARD_S", 3600)
        sender, first, second = TicketSender(), some(1), some(1)
        broker.listening = {"chat"}

        sender.send({"chat": first})
        assert broker.nudged.wait(10)
        sender.send({"chat": second})

        assert broker.tickets == []
        assert sender.flush(timeout_s=10)
        assert broker.tickets == [("chat", [str(job_id) for job_id in (*first, *second)])]

    def test_waits_with_nothing_where_nobody_has_heard_of_some(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue, "HEARD_S", 3600)
        both_sent = threading.Event()

        def send(name: str, job_ids: Sequence[str]) -> bool:
            taken = broker.send(name, job_ids)
            if len(broker.tickets) == 2:
                both_sent.set()
            return taken

        monkeypatch.setattr(queue, "send_now", send)
        broker.listening = {"chat"}

        TicketSender().send({"chat": some(1), "embedding": some(1)})

        assert both_sent.wait(10)
        assert {name for name, _ in broker.tickets} == {"chat", "embedding"}

    @pytest.mark.parametrize("takes", [True, False])
    def test_traces_the_sending_alone(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch, *, takes: bool
    ) -> None:
        monkeypatch.setattr(queue, "HEARD_S", 3600)
        begun: list[Span] = []

        def begin() -> Span:
            begun.append(Span())
            return begun[-1]

        sender, (traced, other) = TicketSender(), some(2)
        broker.listening, broker.takes = {"chat"}, takes

        sender.send({"chat": [traced, other]}, spans={traced: begin})
        assert broker.nudged.wait(10)
        assert begun == []

        assert sender.flush(timeout_s=10)
        (span,) = begun
        assert span.errors == [None if takes else "the broker did not take it"]

    def test_nothing_to_flush_is_flushed(self) -> None:
        assert TicketSender().flush(timeout_s=0)


class TestBroker:
    @pytest.mark.parametrize(
        "error", [OperationalError("away"), ConnectionResetError(), AccessRefused("wrong password")]
    )
    def test_whatever_a_broker_refuses_by_costs_nobody_more_than_a_ticket(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(celery.current_app, "send_task", refuse)

        assert not queue.send_now("chat", [str(ids.new_id())])
        assert not webhooks_queue.send_ticket()


class TestAge:
    """Which ticket is stale is nothing that a worker finds by its own clock."""

    @pytest.mark.parametrize(
        "send",
        [lambda: queue.send_now("chat", [str(ids.new_id())]), webhooks_queue.send_ticket],
        ids=["of-jobs", "of-webhooks"],
    )
    def test_is_left_to_the_broker(
        self, send: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[dict[str, Any]] = []
        monkeypatch.setattr(
            celery.current_app, "send_task", lambda _, **options: sent.append(options)
        )

        assert send()

        (options,) = sent
        assert "expires" not in options  # the worker's clock against the sender's
        assert options["expiration"] == 60  # the broker's own
