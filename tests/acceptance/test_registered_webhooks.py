"""Journey: an endpoint is registered once, and hears of every job that it subscribes to."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import until

JOB_EVENTS = ["job.completed", "job.failed", "job.cancelled", "job.timeout"]


def register(caller: Caller, url: str | None, **fields: Any) -> dict[str, Any]:
    body = {"name": "hook", "url": url, "events": JOB_EVENTS} | fields
    answer = caller.post("/v1/webhooks", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_every_job_is_told_whatever_its_mode(caller: Caller, receiver: Receiver) -> None:
    path = f"/registered-{caller.slug}/"
    hook = register(caller, receiver.url(path))

    job_id = caller.submit("by subscription")
    caller.chat()
    caller.stream()

    posts = receiver.wait(path, count=3)
    bodies = [Webhook(hook["secret"]).verify(post.body, post.headers) for post in posts]
    assert job_id in {body["id"] for body in bodies}
    assert {body["status"] for body in bodies} == {"completed"}
    assert {post.headers["x-genie-event"] for post in posts} == {"job.completed"}


def test_a_request_names_an_endpoint_and_its_own_url(caller: Caller, receiver: Receiver) -> None:
    named, own = f"/named-{caller.slug}/", f"/own-{caller.slug}/"
    hook = register(caller, receiver.url(named), events=[], name="ops")

    for reference in (hook["id"], "ops"):
        caller.submit(metadata={"webhook_id": reference})
    both = caller.submit(
        metadata={"webhook_id": "ops"}, webhook={"url": receiver.url(own), "secret": "short"}
    )
    caller.ended(caller.submit())

    posts = receiver.wait(named, count=3)
    assert both in {json.loads(post.body)["id"] for post in posts}
    assert len(receiver.wait(own)) == 1
    assert len(receiver.at(named)) == 3


def test_a_repeat_under_its_key_is_answered_after_the_endpoint_is_disabled(
    caller: Caller, receiver: Receiver
) -> None:
    hook = register(caller, receiver.url(f"/repeated-{caller.slug}/"), name="once")
    key, named = {"Idempotency-Key": "the-same"}, {"webhook_id": "once"}
    first = caller.chat(metadata=named, headers=key)
    caller.request("PATCH", f"/v1/webhooks/{hook['id']}", json={"enabled": False})

    again = caller.chat(metadata=named, headers=key)
    other = caller.chat(metadata=named, headers={"Idempotency-Key": "another"})

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 400)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("kind", ["unknown", "disabled", "foreign", "no text"])
def test_a_webhook_that_is_not_there_is_refused_with_one_message(
    caller: Caller, new_caller: Any, receiver: Receiver, kind: str
) -> None:
    foreign = new_caller()
    register(foreign, receiver.url("/never/"), name="theirs")
    register(caller, receiver.url("/never/"), name="off", enabled=False)
    names = {"unknown": "nobody", "disabled": "off", "foreign": "theirs", "no text": "a\tb"}

    answer = caller.chat(metadata={"webhook_id": names[kind]})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert answer.json()["details"] == [
        {
            "field": "metadata.webhook_id",
            "message": "there is no enabled webhook of this id or name",
        }
    ]
    assert caller.jobs_count() == 0


def test_a_rotated_secret_and_its_successor_both_verify(caller: Caller, receiver: Receiver) -> None:
    path = f"/rotated-{caller.slug}/"
    hook = register(caller, receiver.url(path))
    fresh = caller.post(f"/v1/webhooks/{hook['id']}/rotate-secret").json()

    caller.submit()

    (post,) = receiver.wait(path)
    for secret in (hook["secret"], fresh["secret"]):
        assert Webhook(secret).verify(post.body, post.headers)["status"] == "completed"


def test_the_test_action_tells_how_it_went(caller: Caller, receiver: Receiver) -> None:
    path = f"/tested-{caller.slug}/204,500"
    hook = register(caller, receiver.url(path))

    answers = [caller.post(f"/v1/webhooks/{hook['id']}/test").json() for _ in range(2)]

    assert [(one["delivered"], one["status"]) for one in answers] == [(True, 204), (False, 500)]
    assert {one.headers["x-genie-event"] for one in receiver.at(path)} == {"webhook.test"}


def test_410_disables_and_a_replay_brings_what_was_missed(
    caller: Caller, receiver: Receiver
) -> None:
    path = f"/gone-{caller.slug}/410"
    hook = register(caller, receiver.url(path), events=["job.completed", "webhook.disabled"])
    route = f"/v1/webhooks/{hook['id']}"
    missed = caller.submit()
    until(lambda: not caller.get(route).json()["enabled"], what="the endpoint to be disabled")
    also_missed = caller.ended(caller.submit())["id"]
    assert caller.get(route).json()["disabled_reason"] == "gone"
    told = until(
        lambda: caller.get("/v1/events?types=webhook.disabled").json()["data"], what="the event"
    )
    assert told[0]["data"]["webhook_id"] == hook["id"]

    caller.request("PATCH", route, json={"enabled": True})
    replayed = caller.post(f"{route}/replay", {"since": hook["created_at"]}).json()

    # The event of the disabling was for this endpoint too.
    assert (replayed["replayed"], replayed["has_more"]) == (3, False)
    posts = receiver.wait(path, count=4)
    assert {missed, also_missed} <= {json.loads(post.body).get("id") for post in posts[1:]}
    assert posts[0].headers["webhook-id"] in {post.headers["webhook-id"] for post in posts[1:]}
    again = caller.post(f"{route}/replay", {"since": hook["created_at"]}).json()
    assert again["replayed"] == 0


def test_the_log_shows_what_was_sent_and_sends_it_again(caller: Caller, receiver: Receiver) -> None:
    path = f"/log-{caller.slug}/"
    hook = register(caller, receiver.url(path))
    job_id = caller.submit()
    (post,) = receiver.wait(path)
    route = f"/v1/webhooks/{hook['id']}/deliveries"
    (delivery,) = until(
        lambda: caller.get(f"{route}?state=delivered").json()["data"], what="the record"
    )

    shown = caller.get(f"/v1/webhooks/deliveries/{delivery['id']}").json()
    again = caller.post(f"/v1/webhooks/deliveries/{delivery['id']}/redeliver")

    assert (shown["body"].encode(), shown["reference"]) == (post.body, uuid_of(job_id))
    assert [line["status"] for line in shown["log"]] == [200]
    assert again.status_code == 202
    first, second = receiver.wait(path, count=2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_who_cannot_receive_pulls(caller: Caller) -> None:
    register(caller, None)
    cursor = caller.get("/v1/events").json()["next_cursor"]
    job_id = caller.submit()

    page = caller.get(
        f"/v1/events?after={cursor}&types=job.completed", headers={"Prefer": "wait=30"}
    ).json()

    assert [one["data"]["id"] for one in page["data"]] == [job_id]
    assert page["data"][0]["data"]["result"] == caller.job(job_id)["result"]
    after = caller.get(f"/v1/events?after={page['next_cursor']}").json()
    assert after["data"] == []


def test_alerts_about_caps_reach_a_subscriber(
    new_caller: Callable[..., Caller], receiver: Receiver
) -> None:
    first = new_caller()
    manage, slug = first.system.manage, first.slug
    manage("create_application", "--org", slug, "--name", "shop")
    caller = new_caller("--application", "shop", slug=slug)
    cap = ("--layer", "application", "--subject", "shop", "--window", "daily", "--credits", "0")
    manage("set_cap", "--org", slug, *cap)
    path = f"/alerts-{slug}/"
    hook = register(caller, receiver.url(path), events=["budget.cap-hit"])

    assert [caller.chat().status_code for _ in range(2)] == [402, 402]

    (post,) = receiver.wait(path)
    told = Webhook(hook["secret"]).verify(post.body, post.headers)
    assert (told["event"], told["layer"], told["cap"]) == ("budget.cap-hit", "application", 0)
