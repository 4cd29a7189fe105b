"""Journey: work sent to run in the background by inference.net's contract, polled, grouped and told of."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import openai
import pytest
from standardwebhooks import Webhook

from genie.core import ids
from jobs.states import Lane
from tests import schemas
from tests.acceptance.callers import Caller
from tests.acceptance.models_file import TOKEN_MICROCREDITS
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import until
from tests.acceptance.test_media import sound
from tests.acceptance.test_registered_webhooks import register

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello there"}]}
SHARED: dict[str, dict[str, Any]] = {
    "chat/completions": CHAT,
    "completions": {"model": "echo", "prompt": "a"},
    "embeddings": {"model": "echo-embedding", "input": "a"},
}
SINGLE = "/v1/slow/chat/completions"
GROUP = "/v1/slow/group/chat/completions"


def answer(response: Any, status: int, schema: str) -> dict[str, Any]:
    """Return an answer of this status and shape."""
    assert response.status_code == status, response.text
    return dict(schemas.require("inference_net", schema, response.json()))


def error(response: Any, status: int) -> dict[str, Any]:
    return dict(answer(response, status, "error")["error"])


def set_cap(caller: Caller, amount: str) -> None:
    layer = ("--layer", "org", "--window", "daily")
    caller.system.manage("set_cap", "--org", caller.slug, *layer, "--credits", amount)


def submit(caller: Caller, body: dict[str, Any], path: str = SINGLE, **options: Any) -> str:
    return str(answer(caller.post(path, body, **options), 202, "submitted")["id"])


def poll(caller: Caller, job_id: str) -> dict[str, Any]:
    return answer(caller.get(f"/v1/generation/{job_id}"), 200, "generation")


def ended(caller: Caller, job_id: str) -> dict[str, Any]:
    caller.ended(job_id)
    return poll(caller, job_id)


def group_ended(caller: Caller, group_id: str) -> list[dict[str, Any]]:
    def done() -> list[dict[str, Any]]:
        path = f"/v1/async/group/{group_id}/generations"
        members = answer(caller.get(path), 200, "group")["generations"]
        return list(members) if all(one["finishedAt"] for one in members) else []

    return list(until(done, what="a group's end"))


def test_a_chat_is_accepted_polled_and_told_with_what_was_sent(caller: Caller) -> None:
    sent = CHAT | {
        "n": 1,
        "temperature": 0.5,
        "max_tokens": 9,
        "metadata": {"custom_id": "req-001", "nested": {"free": [1, None]}},
    }

    job_id = submit(caller, sent)
    poll(caller, job_id)  # at once: its shape is that of its state
    done = ended(caller, job_id)

    assert (done["state"], done["request"]) == ("Success", sent)
    assert done["response"]["choices"][0]["message"]["content"] == "echo: hello there"
    assert done["response"]["usage"].keys() == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
    }
    row = caller.row(job_id)
    usage = done["response"]["usage"]
    assert row["cost_microcredits"] * 2 == TOKEN_MICROCREDITS * usage["total_tokens"]
    ((lane, hours, days),) = caller.system.sql(
        "SELECT lane, extract(epoch FROM end_deadline_at - created_at)::int / 3600,"
        " extract(epoch FROM expires_at - completed_at)::int / 86400 FROM jobs_job WHERE id = %s",
        job_id,
    )
    assert (lane, hours, days) == (Lane.SLOW, 72, 14)
    bare = ids.bare(uuid.UUID(job_id))
    for spelling in (bare, f"chatcmpl-{bare}"):
        assert poll(caller, spelling) == done


def test_text_completions_alone_and_in_a_group(caller: Caller) -> None:
    sent = {"model": "echo", "prompt": "hello there", "max_tokens": 9}

    alone = ended(caller, submit(caller, sent, "/v1/slow/completions"))
    path = "/v1/async/group/completions"
    group_id = answer(caller.post(path, {"requests": [sent, sent]}), 202, "group_submitted")[
        "groupId"
    ]
    mixed = error(caller.post(path, {"requests": [sent, CHAT]}), 400)

    assert (alone["request"], alone["response"]["object"]) == (sent, "text_completion")
    assert alone["response"]["usage"]["total_tokens"] > 0
    assert [one["state"] for one in group_ended(caller, group_id)] == ["Success", "Success"]
    assert mixed["param"] == "requests[1].messages"


def test_embeddings(caller: Caller) -> None:
    sent = {"model": "echo-embedding", "input": ["a", "b"], "encoding_format": "float"}

    done = ended(caller, submit(caller, sent, "/v1/slow/embeddings"))

    assert done["request"] == sent
    assert [one["object"] for one in done["response"]["data"]] == ["embedding"] * 2


def test_openais_client_reads_the_ids(caller: Caller) -> None:
    base_url = f"{caller.system.base_url}/v1/slow"
    with openai.OpenAI(base_url=base_url, api_key=caller.key, max_retries=0) as client:
        hello: Any = [{"role": "user", "content": "hello"}]
        chat = client.chat.completions.create(model="echo", messages=hello)
        vectors: Any = client.embeddings.create(
            model="echo-embedding", input="a", encoding_format="float"
        )
        with pytest.raises(openai.NotFoundError, match="The model none does not exist"):
            client.chat.completions.create(model="none", messages=hello)

    assert ended(caller, chat.id)["state"] == "Success"
    assert ended(caller, vectors.id)["state"] == "Success"


def test_jobs_that_do_not_succeed_say_why_and_have_no_response(caller: Caller) -> None:
    broken = ended(caller, submit(caller, CHAT | {"model": "echo-broken"}))
    slow = submit(
        caller, {"model": "echo-slow", "messages": [{"role": "user", "content": "a " * 300}]}
    )
    assert caller.post(f"/v1/jobs/{slow}/cancel").status_code == 202
    cancelled = ended(caller, slow)

    assert (broken["state"], cancelled["state"]) == ("Failed", "Failed")
    assert broken["stateMessage"] == caller.job(broken["id"])["error"]["message"]
    assert cancelled["stateMessage"] == "Generation was cancelled"


def test_jobs_of_other_contracts_and_modalities_are_read_too(caller: Caller) -> None:
    chat = ended(caller, caller.submit("hi", temperature=0.25))
    body = {"model": "flux-schnell", "prompt": "a lake", "size": "256x256", "mode": "async"}
    image = ended(caller, caller.post("/v1/images/generations", body).json()["id"])

    files = {"file": ("a.wav", sound(1.0), "audio/wav")}
    form = {"model": "whisper-1", "mode": "async"}
    sent = caller.request("POST", "/v1/audio/transcriptions", files=files, data=form)
    heard = ended(caller, sent.json()["id"])

    assert heard["request"].pop("file")["filename"] == "a.wav"
    assert heard["request"] == form
    assert chat["request"]["messages"] == [{"role": "user", "content": "hi"}]
    assert (chat["request"]["model"], chat["request"]["temperature"]) == ("echo", 0.25)
    assert image["request"]["prompt"] == "a lake"
    assert image["response"]["data"][0]["url"]


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"stream": True}, "stream", "stream is not supported for background requests"),
        ({"mode": "async"}, "mode", "mode: is not a field of background requests"),
        ({"webhook": {"url": "https://a.example"}}, "webhook", None),
        ({"on_budget": "park"}, "on_budget", None),
        ({"messages": []}, "messages", None),
        ({"metadata": []}, "metadata", "metadata: must be an object"),
        ({"metadata": {"webhook_id": "nobody"}}, "metadata.webhook_id", "Unknown webhook_id"),
        ({"metadata": {"webhook_id": 7}}, "metadata.webhook_id", "Unknown webhook_id"),
        ({"metadata": {"huge": [1e300]}}, "metadata.huge[0]", None),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_no_job(
    caller: Caller, change: dict[str, Any], param: str, message: str | None
) -> None:
    single = error(caller.post(SINGLE, CHAT | change), 400)
    grouped = error(caller.post(GROUP, {"requests": [CHAT, CHAT | change]}), 400)

    assert (single["param"], single["code"]) == (param, "invalid_request")
    assert message in (None, single["message"])
    assert grouped["param"] == f"requests[1].{param}"
    assert caller.jobs_count() == 0


def test_refusals_speak_openais_words(caller: Caller, new_caller: Callable[..., Caller]) -> None:
    unknown = error(caller.post(SINGLE, CHAT | {"model": "no/such"}), 404)
    keyless = error(caller.post(SINGLE, CHAT, headers={"Authorization": ""}), 401)
    no_json = error(caller.request("POST", SINGLE, data=b"{}"), 415)
    wrong_method = error(caller.get(SINGLE), 405)
    no_route = error(caller.get("/v1/slow/nothing"), 404)
    set_cap(caller, "0")
    broke = error(caller.post(SINGLE, CHAT), 402)

    assert (unknown["message"], unknown["code"]) == (
        "The model no/such does not exist",
        "model_not_found",
    )
    assert (keyless["message"], keyless["code"]) == (
        "Incorrect API key provided",
        "invalid_api_key",
    )
    assert (no_json["code"], wrong_method["code"]) == (
        "unsupported-media-type",
        "method-not-allowed",
    )
    assert no_route["code"] == "not-found"
    assert (broke["type"], broke["code"], broke["capLayer"]) == (
        "insufficient_quota",
        "budget-cap-hit",
        "org",
    )


def test_others_find_nothing_and_are_all_told_the_same(
    caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    teammate, stranger = new_caller(slug=caller.slug), new_caller()
    job_id = submit(caller, CHAT)
    group_id = answer(caller.post(GROUP, {"requests": [CHAT]}), 202, "group_submitted")["groupId"]

    assert poll(teammate, job_id)["id"] == job_id
    assert len(group_ended(teammate, group_id)) == 1
    missing = [
        error(stranger.get(f"/v1/generation/{one}"), 404)
        for one in (job_id, str(ids.new_id()), "nonsense", group_id)
    ]
    assert missing == [missing[0]] * 4
    assert missing[0]["message"] == "Generation not found"
    groups = [
        error(stranger.get(f"/v1/slow/group/{one}/generations"), 404)
        for one in (group_id, str(ids.new_id()), "nonsense", job_id)
    ]
    assert groups == [groups[0]] * 4
    assert (groups[0]["message"], groups[0]["code"]) == ("Group not found", "group_not_found")


class TestGroups:
    def test_the_largest_is_admitted_in_order_under_both_names(self, caller: Caller) -> None:
        requests = [CHAT | {"metadata": {"custom_id": f"req-{n}"}} for n in range(50)]

        made = [
            answer(
                caller.post(f"/v1/{prefix}/group/chat/completions", {"requests": requests}),
                202,
                "group_submitted",
            )
            for prefix in ("slow", "async")
        ]

        assert [one["groupSize"] for one in made] == [50, 50]
        group_id = made[0]["groupId"]
        at_once = [
            answer(caller.get(f"/v1/{prefix}/group/{group_id}/generations"), 200, "group")
            for prefix in ("slow", "async")
        ]
        assert [[one["request"] for one in told["generations"]] for told in at_once] == [
            requests
        ] * 2
        members = group_ended(caller, group_id)
        assert {one["state"] for one in members} == {"Success"}
        assert poll(caller, members[49]["id"]) == members[49]

    @pytest.mark.parametrize("count", [0, 51])
    def test_has_one_to_fifty_requests(self, caller: Caller, count: int) -> None:
        refused = error(caller.post(GROUP, {"requests": [CHAT] * count}), 400)

        assert refused["param"] == "requests"
        assert refused["message"] == "requests must contain between 1 and 50 items"

    def test_all_are_admitted_or_none(self, caller: Caller) -> None:
        mixed = error(
            caller.post(GROUP, {"requests": [CHAT, {"model": "echo", "prompt": "a"}]}), 400
        )
        unknown = error(caller.post(GROUP, {"requests": [CHAT, CHAT | {"model": "none"}]}), 400)
        no_object = error(caller.post(GROUP, {"requests": [CHAT, 7]}), 400)
        set_cap(caller, "0.02")
        dear = error(caller.post(GROUP, {"requests": [CHAT] * 50}), 402)

        assert (mixed["param"], unknown["param"]) == ("requests[1].prompt", "requests[1].model")
        assert no_object["param"] == "requests[1]"
        assert dear["capWindow"] == "daily"
        assert caller.jobs_count() == 0
        submit(caller, CHAT)  # nothing of the refused is held

    def test_a_repeat_under_its_key_is_the_same_group_by_either_name(self, caller: Caller) -> None:
        key = {"Idempotency-Key": "the-same"}
        body = {"requests": [CHAT, CHAT]}

        first = caller.post(GROUP, body, headers=key)
        again = caller.post(GROUP.replace("slow", "async"), body, headers=key)

        assert answer(first, 202, "group_submitted") == answer(again, 202, "group_submitted")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert caller.jobs_count() == 2


class TestWebhooks:
    def test_a_job_tells_the_endpoint_that_it_names(
        self, caller: Caller, receiver: Receiver
    ) -> None:
        path = f"/generation-{caller.slug}/"
        hook = register(caller, receiver.url(path), name="ops")

        job_id = submit(caller, CHAT | {"metadata": {"webhook_id": "ops"}})

        (post,) = receiver.wait(path)
        body = schemas.require("inference_net", "generation_event", json.loads(post.body))
        assert (body["event"], body["webhook_id"]) == ("generation.completed", hook["id"])
        assert body["data"] == poll(caller, job_id)
        assert receiver.probed.count(path) == 1
        assert post.headers["x-inference-event"] == "generation.completed"
        assert post.headers["x-inference-webhook-id"] == hook["id"]
        assert post.headers["x-inference-generation-id"] == job_id
        assert post.headers["user-agent"] == "inference.net-Webhook/1.0"
        assert Webhook(hook["secret"]).verify(post.body, post.headers) == body

    def test_a_group_tells_its_endpoint_once_and_a_test_speaks_as_it_was_spoken_to(
        self, caller: Caller, receiver: Receiver
    ) -> None:
        path = f"/group-{caller.slug}/"
        hook = register(caller, receiver.url(path), name="groups", events=[])
        body = {"requests": [CHAT, CHAT | {"model": "echo-broken"}], "webhook_id": hook["id"]}
        group_id = answer(caller.post(GROUP, body), 202, "group_submitted")["groupId"]

        (post,) = receiver.wait(path)
        told = schemas.require("inference_net", "group_event", json.loads(post.body))
        assert post.headers["x-inference-group-id"] == told["groupId"] == group_id
        assert [one["state"] for one in told["data"]["generations"]] == ["Success", "Failed"]

        assert caller.post(f"/v1/webhooks/{hook['id']}/test").status_code == 200
        _, test = receiver.wait(path, count=2)
        schemas.require("inference_net", "test_event", json.loads(test.body))
        assert test.headers["x-inference-event"] == "webhook.test"

    @pytest.mark.parametrize("path", SHARED)
    def test_the_routes_that_another_contract_answers_honour_it_too(
        self, caller: Caller, receiver: Receiver, path: str
    ) -> None:
        hooked = f"/shared-{caller.slug}-{path}/"
        register(caller, receiver.url(hooked), name="ops")
        body = SHARED[path]

        unknown = caller.post(f"/v1/async/{path}", body | {"metadata": {"webhook_id": "nobody"}})
        sent = body | {"metadata": {"webhook_id": "ops"}}
        accepted = caller.post(f"/v1/async/{path}", sent)

        assert (unknown.status_code, accepted.status_code) == (400, 202)
        schemas.require("bifrost", "submitted", accepted.json())
        (post,) = receiver.wait(hooked)
        told = schemas.require("inference_net", "generation_event", json.loads(post.body))
        assert told["data"] == poll(caller, accepted.json()["id"])
        assert (told["data"]["state"], told["data"]["request"]) == ("Success", sent)
        assert caller.jobs_count() == 1

    def test_a_groups_two_places_for_its_webhook_must_agree(self, caller: Caller) -> None:
        body = {"requests": [CHAT], "webhook_id": "a", "metadata": {"webhook_id": "b"}}
        differ = error(caller.post(GROUP, body), 400)
        unknown = error(
            caller.post(GROUP, {"requests": [CHAT], "metadata": {"webhook_id": "b"}}), 400
        )

        assert differ["param"] == "webhook_id"
        assert (unknown["param"], unknown["message"]) == (
            "metadata.webhook_id",
            "Unknown webhook_id",
        )
        assert caller.jobs_count() == 0
