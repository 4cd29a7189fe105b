"""Journey: the result of an async job is posted to the caller's own server."""

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.receivers import Received, Receiver
from tests.acceptance.system import until

SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIHdlYmhvb2sh"


def test_a_completed_job_is_delivered_with_its_signed_result(
    caller: Caller, receiver: Receiver
) -> None:
    path = f"/completed-{caller.slug}/"
    job_id = caller.submit("by webhook", webhook={"url": receiver.url(path), "secret": SECRET})

    (one,) = receiver.wait(path)
    body = json.loads(one.body)
    job = caller.job(job_id)
    assert body == {
        **job["result"],
        "id": job_id,
        "status": "completed",
        "completedAt": job["completedAt"],
        "result": job["result"],
    }
    assert body["choices"][0]["message"]["content"] == "echo: by webhook"
    assert one.headers["content-type"] == "application/json"
    assert one.headers["x-genie-event"] == "job.completed"
    assert str(uuid.UUID(one.headers["x-genie-delivery"])) == one.headers["x-genie-delivery"]
    signature = hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
    assert one.headers["x-genie-signature"] == f"sha256={signature}"


def test_the_standard_webhooks_package_verifies_it(caller: Caller, receiver: Receiver) -> None:
    path = f"/standard-{caller.slug}/"
    caller.submit(webhook={"url": receiver.url(path), "secret": SECRET})

    (one,) = receiver.wait(path)
    assert Webhook(SECRET).verify(one.body, one.headers)["status"] == "completed"
    assert one.headers["webhook-id"] == one.headers["x-genie-delivery"]


def test_the_published_key_verifies_it_too(caller: Caller, receiver: Receiver) -> None:
    path = f"/asymmetric-{caller.slug}/"
    caller.submit(webhook={"url": receiver.url(path), "secret": SECRET})

    (one,) = receiver.wait(path)
    answer = requests.get(f"{caller.system.base_url}/.well-known/genie-webhooks.json", timeout=10)
    (key,) = answer.json()["keys"]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
    entry = one.headers["webhook-signature"].split(" v1a,")[1]
    signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
    public.verify(base64.b64decode(entry), signed)


def test_its_secret_is_in_no_log_and_nowhere_in_redis(caller: Caller, receiver: Receiver) -> None:
    marker = f"marker-{secrets.token_hex(12)}"
    delivered, failing = f"/kept-{caller.slug}/", f"/kept-{caller.slug}/500"
    for path in (delivered, failing):
        caller.submit(webhook={"url": receiver.url(path), "secret": marker})
    refused = caller.chat(
        mode="async", webhook={"url": "https://10.0.0.1:9/", "secret": marker * 20}
    )
    receiver.wait(delivered)
    receiver.wait(failing)

    assert refused.status_code == 400
    assert marker not in refused.text
    for log in (caller.system.directory / "logs").iterdir():
        assert marker not in log.read_text("utf-8", "replace"), log
    with caller.system.redis() as client:
        kept = [client.dump(key) or b"" for key in client.scan_iter()]
    assert not any(marker.encode() in value for value in kept)
    columns = caller.system.sql(
        "SELECT webhook_secret FROM jobs_job UNION ALL SELECT sealed_secret FROM webhooks_delivery"
    )
    assert marker not in str(columns)


def test_without_a_secret_nothing_is_signed(caller: Caller, receiver: Receiver) -> None:
    path = f"/unsigned-{caller.slug}/"
    caller.submit(webhook={"url": receiver.url(path)})

    (one,) = receiver.wait(path)
    assert "x-genie-signature" not in one.headers
    assert "webhook-signature" not in one.headers
    assert one.headers["x-genie-event"] == "job.completed"


def test_failed_and_cancelled_jobs_are_told_too(caller: Caller, receiver: Receiver) -> None:
    failed, cancelled = f"/failed-{caller.slug}/", f"/cancelled-{caller.slug}/"
    caller.submit(model="echo-broken", webhook={"url": receiver.url(failed)})
    slow = caller.submit("x " * 500, model="echo-slow", webhook={"url": receiver.url(cancelled)})
    assert caller.post(f"/v1/jobs/{slow}/cancel").status_code == 202

    for path, event, code in (
        (failed, "job.failed", "model-load-failed"),
        (cancelled, "job.cancelled", "cancelled"),
    ):
        (one,) = receiver.wait(path)
        body = json.loads(one.body)
        assert one.headers["x-genie-event"] == event
        assert body["status"] == event.removeprefix("job.")
        assert body["error"]["code"] == code
        assert "result" not in body


def test_a_failed_delivery_is_tried_again_with_the_same_id_and_bytes(
    caller: Caller, receiver: Receiver
) -> None:
    path = f"/again-{caller.slug}/500,503"
    job_id = caller.submit(webhook={"url": receiver.url(path), "secret": SECRET})
    for attempt in (1, 2):
        receiver.wait(path, count=attempt)
        delay_s = _due_again_after_s(caller, job_id, attempts=attempt)
        assert delay_s == pytest.approx({1: 5, 2: 30}[attempt], abs=3)
        _make_due(caller, job_id)

    posts = receiver.wait(path, count=3)
    assert until(lambda: _delivery(caller, job_id)[0] == "delivered", what="the record")
    assert len({post.body for post in posts}) == 1
    assert len({post.headers["x-genie-delivery"] for post in posts}) == 1
    assert len({post.headers["x-genie-signature"] for post in posts}) == 1
    for post in posts:
        Webhook(SECRET).verify(post.body, post.headers)


def test_after_the_fourth_failure_the_delivery_has_failed(
    caller: Caller, receiver: Receiver
) -> None:
    path = f"/never-{caller.slug}/500,301,404,500,500"
    job_id = caller.submit(webhook={"url": receiver.url(path)})
    for attempt in (1, 2, 3):
        receiver.wait(path, count=attempt)
        _due_again_after_s(caller, job_id, attempts=attempt)
        _make_due(caller, job_id)

    receiver.wait(path, count=4)
    until(lambda: _delivery(caller, job_id)[0] == "failed", what="the delivery to have failed")
    assert _delivery(caller, job_id)[1:] == (4, "http-500")
    assert len(receiver.at(path)) == 4
    assert caller.job(job_id)["status"] == "completed"


@pytest.mark.parametrize("fields", [{}, {"mode": "sync"}, {"mode": "stream"}, {"stream": True}])
def test_a_webhook_needs_async(caller: Caller, receiver: Receiver, fields: dict[str, Any]) -> None:
    path = f"/never-{caller.slug}/"
    answer = caller.chat(webhook={"url": receiver.url(path)}, **fields)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "webhook"
    assert caller.jobs_count() == 0


def test_only_the_job_that_asked_is_delivered(caller: Caller, receiver: Receiver) -> None:
    path = f"/one-{caller.slug}/"
    caller.chat()
    caller.stream()
    caller.ended(caller.submit())
    caller.submit(webhook={"url": receiver.url(path)})
    receiver.wait(path)
    rows = caller.system.sql(
        "SELECT count(*) FROM webhooks_event e JOIN tenants_organization o"
        " ON o.id = e.organization_id WHERE o.slug = %s",
        caller.slug,
    )
    assert rows == [(1,)]


def test_many_deliveries_arrive_once_each(caller: Caller, receiver: Receiver) -> None:
    path = f"/many-{caller.slug}/"
    jobs = {caller.submit(str(number), webhook={"url": receiver.url(path)}) for number in range(30)}
    posts = receiver.wait(path, count=30)
    assert {_id(post) for post in posts} == jobs
    assert len(receiver.at(path)) == 30


def _id(post: Received) -> str:
    return str(json.loads(post.body)["id"])


def _delivery(caller: Caller, job_id: str) -> tuple[str, int, str | None]:
    ((state, attempts, reason),) = caller.system.sql(
        "SELECT d.state, d.attempts, d.reason FROM webhooks_delivery d"
        " JOIN webhooks_event e ON e.id = d.event_id WHERE e.reference = %s",
        uuid_of(job_id),
    )
    return state, attempts, reason


def _due_again_after_s(caller: Caller, job_id: str, *, attempts: int) -> float:
    """Return in how many seconds the next attempt is due, once this one is on record."""

    def delay() -> list[tuple[float]]:
        return caller.system.sql(
            "SELECT extract(epoch FROM d.next_attempt_at - genie_now())::float"
            " FROM webhooks_delivery d JOIN webhooks_event e ON e.id = d.event_id"
            " WHERE e.reference = %s AND d.attempts = %s AND d.lease_expires_at IS NULL",
            uuid_of(job_id),
            attempts,
        )

    return float(until(delay, what="the attempt's record")[0][0])


def _make_due(caller: Caller, job_id: str) -> None:
    """Let the time until the next attempt pass."""
    caller.system.sql(
        "UPDATE webhooks_delivery d SET next_attempt_at = genie_now() FROM webhooks_event e"
        " WHERE e.id = d.event_id AND e.reference = %s",
        uuid_of(job_id),
    )
