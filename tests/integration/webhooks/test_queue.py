"""Tickets through a real broker, and without one."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from django.conf import settings

from genie.celery import app
from genie.core import metrics, transactions
from webhooks import queue, services
from webhooks.models import Delivery
from webhooks.services import NewEvent


def publish() -> None:
    event = NewEvent(
        event_type="job.completed", organization_id=uuid.UUID(int=1), reference=uuid.UUID(int=2), body=b"{}",
        url="https://example.com/", sealed_secret=None,
    )  # fmt: skip
    with transactions.transaction():
        services.publish_many([event])


def wait_for(broker: "redis.Redis", length: int) -> bool:
    tick = threading.Event()
    return any(broker.llen("genie:webhooks") >= length or tick.wait(0.02) for _ in range(250))


@pytest.fixture
def broker() -> Iterator["redis.Redis"]:
    """The broker's queue, empty."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("genie:webhooks")
        yield client
        client.delete("genie:webhooks")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """An application whose broker refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    lonely = Celery("lonely", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    lonely.conf.broker_transport_options = {**app.conf.broker_transport_options, "max_retries": 0}
    monkeypatch.setattr(queue, "current_app", lonely)
    return lonely


@pytest.mark.django_db(transaction=True)
class TestTicket:
    def test_leaves_after_the_commit(self, broker: "redis.Redis") -> None:
        publish()

        assert wait_for(broker, 1)

    def test_names_the_task_and_carries_nothing(self, broker: "redis.Redis") -> None:
        assert queue.send_ticket()

        message = str(broker.lindex("genie:webhooks", 0))
        assert queue.TASK in message
        assert "W1tdLCB7fSw" in message  # base64 of "[[], {}," : no arguments

    def test_does_not_leave_before_the_commit(self, broker: "redis.Redis") -> None:
        with transactions.transaction():
            queue.send_ticket_after_commit()
            early = wait_for_nothing(broker)

        assert early
        assert wait_for(broker, 1)


def wait_for_nothing(broker: "redis.Redis") -> bool:
    return not any(threading.Event().wait(0.02) or broker.llen("genie:webhooks") for _ in range(10))


@pytest.mark.django_db(transaction=True)
class TestBrokerAway:
    def test_costs_the_publisher_nothing_and_loses_nothing(self, nobody: Celery) -> None:
        began = time.monotonic()
        publish()
        took = time.monotonic() - began

        assert took < 1
        assert Delivery.objects.count() == 1
        assert services.tickets_due() == 1

    def test_is_counted_and_said(self, nobody: Celery, caplog: pytest.LogCaptureFixture) -> None:
        before = metrics.ticket_send_failed.labels("webhooks")._value.get()

        assert not queue.send_ticket()

        assert metrics.ticket_send_failed.labels("webhooks")._value.get() == before + 1
        assert "The broker took no ticket for webhooks" in caplog.text
