"""No secret of a webhook is ever logged, whatever happens to its delivery and however much is logged."""

import io
import logging
import uuid
from collections.abc import Iterator, Mapping

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from genie.core import crypto, logs, transactions
from tests.integration.webhooks import builders
from tests.integration.webhooks.receivers import Receiver
from webhooks import delivery, services, signing_keys, transport
from webhooks.services import NewEvent

pytestmark = pytest.mark.django_db(transaction=True)

MARKER = "marker of one caller"  # of no shape that a filter could know


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Return all that is logged from DEBUG upward, as it would be without the redacting filter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def publish(url: str) -> uuid.UUID:
    event = NewEvent(
        event_type="job.completed", organization_id=uuid.UUID(int=1), reference=uuid.UUID(int=2), body=b"{}",
        url=url, sealed_secret=crypto.seal(MARKER),
    )  # fmt: skip
    with transactions.transaction():
        return services.publish_many([event])[0]


def post(
    url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
) -> transport.Answer:
    if "broken" in url:
        raise RuntimeError("a defect of ours")
    return builders.post(url, body, headers, deadline_s=deadline_s)


def test_whatever_becomes_of_the_delivery(
    receiver: Receiver, settings: Settings, logged: io.StringIO
) -> None:
    settings.GENIE_WEBHOOK_SIGNING_KEYS = (signing_keys.mint(),)
    for path in ("/200", "/503", "/reset", "/garbage", "/200?broken"):
        publish(receiver.url(path))
    publish("http://127.0.0.1:1/nobody")
    delivery.deliver_due(limit=100, post=post)
    settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]
    lost = publish(receiver.url("/200?lost"))
    settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]
    delivery.deliver_due(limit=100, post=post)

    said = logged.getvalue()
    assert "a defect of ours" in said  # the trace of what went wrong is there
    assert str(lost) not in [request.headers["webhook-id"] for request in receiver.requests]
    seed = settings.GENIE_WEBHOOK_SIGNING_KEYS[0].removeprefix("whsk_")
    for secret in (MARKER, seed, *settings.GENIE_FIELD_KEYS, "gAAAA"):
        assert secret not in said
