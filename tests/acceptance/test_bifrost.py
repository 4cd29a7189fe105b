"""Journeys of Bifrost's clients: eleven types to submit and poll, one 404, lifetimes, webhooks."""

import base64
import datetime as dt
import functools
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from genie.core import ids
from tests import schemas
from tests.acceptance.callers import Caller
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import until
from tests.acceptance.test_media import sound

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
PATHS = {
    "text_completion": "completions",
    "chat_completion": "chat/completions",
    "responses": "responses",
    "embedding": "embeddings",
    "speech": "audio/speech",
    "transcription": "audio/transcriptions",
    "image_generation": "images/generations",
    "image_edit": "images/edits",
    "image_variation": "images/variations",
    "rerank": "rerank",
    "ocr": "ocr",
}
# What is served here, each by a whole body with fields that are unknown or accepted only.
JSON_BODIES: dict[str, dict[str, Any]] = {
    "chat_completion": CHAT | {"temperature": 0.5, "metadata": {"a": 1}, "mode": 7},
    "text_completion": {
        "model": "echo",
        "prompt": ["a", "b"],
        "n": 2,
        "max_tokens": 9,
        "suffix": "accepted",
        "best_of": 3,
        "logprobs": 2,
    },
    "responses": {
        "model": "echo",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
        "instructions": "Be brief.",
        "max_output_tokens": 32,
    },
    "embedding": {"model": "echo-embedding", "input": ["a", "b"], "webhook": "ignored"},
    "rerank": {
        "model": "echo-rerank",
        "query": "a",
        "documents": [{"text": "b"}, {"text": "a", "id": "second", "meta": {"page": 3}}],
        "top_n": 1,
        "return_documents": True,
        "priority": 3,
    },
    "speech": {"model": "echo-speech", "input": "hi", "voice": "alloy", "response_format": "wav"},
    "image_generation": {
        "model": "genie/echo-image",
        "prompt": "a lake",
        "size": "256x256",
        "n": 2,
        "quality": "hd",
        "num_inference_steps": 2,
        "output_format": "png",
        "output_compression": 40,
    },
}
RECORDING = {
    "model": "echo-transcription",
    "response_format": "verbose_json",
    "timestamp_granularities[]": "word",  # which that model cannot tell
}
SERVED = (*JSON_BODIES, "transcription")
HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "x-bf-vk": lambda key: {"x-bf-vk": f"sk-bf-{key}"},
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "x-api-key": lambda key: {"x-api-key": key},
    "x-goog-api-key": lambda key: {"x-goog-api-key": f"SK-BF-{key}"},
    "api-key": lambda key: {"api-key": key},
}


class Client:
    """A caller who speaks Bifrost's words, with one key in one header."""

    def __init__(self, caller: Caller, form: str = "x-bf-vk") -> None:
        self.caller = caller
        # None takes away what the caller would send.
        self.headers: dict[str, Any] = {"Authorization": None, **HEADERS[form](caller.key)}

    def send(
        self, request_type: str, body: dict[str, Any] | None = None, **headers: str
    ) -> requests.Response:
        """Submit; without a body the whole one of the type."""
        path = f"/v1/async/{PATHS[request_type]}"
        told = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if request_type in ("transcription", "image_edit", "image_variation"):
            field = "file" if request_type == "transcription" else "image"
            return self.caller.request(
                "POST",
                path,
                headers=told,
                data=body or RECORDING,
                files={field: ("a.wav", sound())},
            )
        return self.caller.post(path, body or JSON_BODIES[request_type], headers=told)

    def submit(
        self,
        request_type: str = "chat_completion",
        body: dict[str, Any] | None = None,
        **headers: str,
    ) -> str:
        """Submit and return the id of the 202."""
        answer = self.send(request_type, body, **headers)
        assert answer.status_code == 202, answer.text
        schemas.require("bifrost", "submitted", answer.json())
        return str(answer.json()["id"])

    def poll(self, job_id: str, request_type: str = "chat_completion") -> requests.Response:
        """Poll once."""
        return self.caller.get(f"/v1/async/{PATHS[request_type]}/{job_id}", headers=self.headers)

    def ended(self, job_id: str, request_type: str = "chat_completion") -> dict[str, Any]:
        """Poll until the end and return the body; everything before is a proper 202."""

        def finished() -> dict[str, Any] | None:
            answer = self.poll(job_id, request_type)
            if answer.status_code == 202:
                schemas.require("bifrost", "unfinished", answer.json())
                return None
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        body: dict[str, Any] = until(finished, what=f"the end of {job_id}", limit_s=40)
        schemas.require("bifrost", body["status"], body)
        assert schemas.nulls(body) == []
        return body


@pytest.fixture
def client(caller: Caller) -> Client:
    return Client(caller)


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def lifetime_s(body: dict[str, Any]) -> float:
    return (moment(body["expires_at"]) - moment(body["completed_at"])).total_seconds()


def refusal(answer: requests.Response, status: int) -> dict[str, Any]:
    """Return the error object of a refusal, whose envelope is whole."""
    assert answer.status_code == status, answer.text
    envelope = answer.json()
    schemas.require("bifrost", "error", envelope)
    assert envelope["status_code"] == status
    return dict(envelope)


@pytest.mark.parametrize(
    ("request_type", "form"),
    list(zip(SERVED, [*HEADERS, "bearer", "api-key", "x-bf-vk"], strict=True)),
)
def test_each_type_is_submitted_and_polled_with_a_key_in_any_header(
    caller: Caller, request_type: str, form: str
) -> None:
    job_id = Client(caller, form).submit(request_type)

    for other in HEADERS:
        now = Client(caller, other).poll(job_id, request_type)
        assert (now.status_code, now.json()["status"]) in {
            (202, "pending"), (202, "processing"), (200, "completed"),
        }  # fmt: skip
    body = Client(caller).ended(job_id, request_type)
    assert (body["id"], body["status"]) == (job_id, "completed")
    schemas.require("bifrost", "results", body["result"], part=request_type)
    assert moment(body["created_at"]) <= moment(body["completed_at"])
    assert lifetime_s(body) == 3600


def test_results_are_the_answers_of_the_synchronous_routes(client: Client) -> None:
    chat = client.ended(client.submit())["result"]
    assert chat["choices"][0]["message"]["content"] == "echo: hello"
    text = client.ended(client.submit("text_completion"), "text_completion")["result"]
    assert [one["index"] for one in text["choices"]] == [0, 1, 2, 3]
    response = client.ended(client.submit("responses"), "responses")["result"]
    assert response["output"][0]["content"][0]["text"] == "echo: hello"
    spoken = client.ended(client.submit("speech"), "speech")["result"]
    assert base64.b64decode(spoken["audio"]).startswith(b"RIFF")
    written = client.ended(client.submit("transcription"), "transcription")["result"]
    assert (written["text"], written["duration"]) == ("500 ms of sound", 0.5)
    ranked = client.ended(client.submit("rerank"), "rerank")["result"]
    document = {"text": "a", "id": "second", "meta": {"page": 3}}
    assert ranked["results"] == [{"index": 1, "relevance_score": 1.0, "document": document}]
    drawn = client.ended(client.submit("image_generation"), "image_generation")["result"]
    assert [one["index"] for one in drawn["data"]] == [0, 1]
    picture = requests.get(drawn["data"][0]["url"], timeout=30)
    assert picture.headers["Content-Type"] == "image/png"
    native = client.caller.get("/v1/jobs?limit=1").json()["data"][0]
    assert native["usage"] == {"megapixel_steps": 2 * 2 * 0.065536}


def test_a_job_reads_back_by_each_spelling_here_and_natively(client: Client) -> None:
    caller = client.caller
    job_id = client.submit()
    body = client.ended(job_id)
    bare = ids.bare(uuid.UUID(job_id))

    for spelling in (job_id, job_id.upper(), bare, f"chatcmpl-{bare}", f"chatcmpl-{job_id}"):
        assert client.poll(spelling).json() == body
        assert caller.job(spelling)["id"] == f"chatcmpl-{bare}"
    native = caller.submit("submitted natively")
    caller.ended(native)
    polled = client.poll(native)
    assert (polled.status_code, "expires_at" in polled.json()) == (200, False)


def test_speech_that_is_in_the_storage_alone_is_brought_along_too(client: Client) -> None:
    spoken = {"model": "echo-speech", "input": "hi", "response_format": "wav", "mode": "async"}
    native = client.caller.post("/v1/audio/speech", spoken).json()["id"]
    url = client.caller.ended(native)["result"]["url"]

    body = client.poll(native, "speech").json()

    assert base64.b64decode(body["result"]["audio"]) == requests.get(url, timeout=30).content


def test_every_other_poll_is_the_same_404(
    client: Client, caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    job_id = client.submit()
    client.ended(job_id)
    expired = client.submit(x_bf_async_job_result_ttl="1")
    client.ended(expired)
    until(lambda: client.poll(expired).status_code == 404, what="the expiry of a result")
    assert caller.get(f"/v1/jobs/{expired}").status_code == 404
    colleague = Client(new_caller(slug=caller.slug))
    unknown = Client(caller)
    unknown.headers = {"Authorization": None, "x-bf-vk": "sk-bf-sk-genie-x-" + "0" * 24}
    none = Client(caller)
    none.headers = {"Authorization": None}
    basic = Client(caller)
    basic.headers = {"Authorization": "Basic dXNlcjpwYXNz"}
    elsewhere = Client(new_caller("--cidrs", "203.0.113.0/24", slug=caller.slug))

    answers = [
        client.poll(expired),
        client.poll("00000000-0000-0000-0000-000000000000"),
        client.poll("garbage"),
        client.poll("%00"),
        client.poll(job_id, "embedding"),
        client.poll(job_id, "rerank"),
        colleague.poll(job_id),
        Client(new_caller()).poll(job_id),
        unknown.poll(job_id),
        none.poll(job_id),
        basic.poll(job_id),
        elsewhere.poll(job_id),
    ]

    assert {answer.status_code for answer in answers} == {404}
    (told,) = {answer.content for answer in answers}
    assert json.loads(told) == {
        "is_bifrost_error": False,
        "status_code": 404,
        "error": {"message": "job not found or expired"},
        "extra_fields": {},
    }
    assert client.poll(job_id).status_code == 200


def test_a_job_that_ends_badly_polls_200(client: Client) -> None:
    broken = client.submit(body=CHAT | {"model": "echo-broken"})
    slow = client.submit(body=CHAT | {"model": "echo-slow"})
    client.caller.post(f"/v1/jobs/{slow}/cancel")

    failed, cancelled = client.ended(broken), client.ended(slow)

    assert (failed["status"], failed["status_code"]) == ("failed", 503)
    assert failed["error"]["error"]["code"] == "model-load-failed"
    assert failed["error"]["is_bifrost_error"] is True
    assert (cancelled["status_code"], cancelled["error"]["type"]) == (499, "request_cancelled")
    assert cancelled["error"]["error"]["message"] == "job was cancelled"
    assert lifetime_s(failed) == lifetime_s(cancelled) == 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("not-a-number", 3600), ("0", 3600), ("-1", 3600), ("120", 120), ("99999999", 2_592_000)],
)
def test_the_header_decides_how_long_a_result_can_be_had(
    client: Client, header: str, seconds: float
) -> None:
    assert lifetime_s(client.ended(client.submit(x_bf_async_job_result_ttl=header))) == seconds


def test_what_is_refused_leaves_no_job(client: Client, caller: Caller) -> None:
    def message(*args: Any, status: int = 400) -> str:
        return str(refusal(client.send(*args), status)["error"]["message"])

    for request_type, body in JSON_BODIES.items():
        assert message(request_type, body | {"model": ""}) == "model is required"
        sent = caller.request(
            "POST",
            f"/v1/async/{PATHS[request_type]}",
            headers=client.headers | {"Content-Type": "application/json"},
            data="{",
        )
        assert refusal(sent, 400)["error"]["message"].startswith("invalid request format: ")
    needy = refusal(client.send("chat_completion", {"model": "echo"}), 400)
    assert needy["error"]["message"] == "messages is required for chat completion"
    assert needy["extra_fields"]["model_requested"] == "echo"
    streamed = "stream is not supported for async chat completions"
    assert message("chat_completion", CHAT | {"stream": True}) == streamed
    assert message("transcription", {"language": "en"}) == "model is required"
    bare = caller.request(
        "POST",
        "/v1/async/audio/transcriptions",
        headers=client.headers,
        files={"model": (None, "echo-transcription")},
    )
    assert refusal(bare, 400)["error"]["message"] == "file is required"
    unknown = message("chat_completion", CHAT | {"model": "openai/nothing"})
    assert unknown == (
        "provider is required in model field (format: provider/model) — no providers found for "
        'model "openai/nothing" in model catalog to auto-resolve'
    )
    assert message("embedding", {"model": "echo", "input": "a"}) == (
        'model "echo" does not support embedding'
    )
    assert message("speech", {"model": "whisper-1", "input": "a", "voice": "alloy"}) == (
        'model "echo-transcription" does not support speech'
    )
    large = {"model": "echo", "messages": [{"role": "user", "content": "x" * (1 << 20)}]}
    refusal(client.send("chat_completion", large), 413)
    refusal(caller.get("/v1/async/rerank", headers=client.headers), 405)
    refusal(caller.post(f"/v1/async/rerank/{uuid.uuid4()}", {}, headers=client.headers), 405)
    assert caller.jobs_count() == 0


def test_what_nobody_serves_is_refused_after_its_fields(client: Client, caller: Caller) -> None:
    whole: dict[str, dict[str, Any]] = {
        "ocr": {"model": "x", "document": {"type": "image_url", "image_url": "data:,"}},
        "image_edit": {"model": "x", "prompt": "p", "n": "2", "size": "auto"},
        "image_variation": {"model": "x", "n": "1"},
    }
    for request_type, body in whole.items():
        told = refusal(client.send(request_type, body), 400)
        assert told["error"]["message"] == f"no model with capability {request_type} is configured"
        assert told["error"]["code"] == "capability-not-configured"
        assert told["extra_fields"] == {
            "request_type": request_type,
            "model_requested": body["model"],
        }
        without = refusal(client.send(request_type, body | {"model": ""}), 400)
        assert without["error"]["message"] == "model is required"
    assert caller.jobs_count() == 0


def test_who_may_not_submit_is_told_why(
    client: Client, caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    def told(status: int, key: str | None, **body: Any) -> dict[str, Any]:
        one = Client(caller)
        one.headers = {"Authorization": None} | ({"x-bf-vk": key} if key else {})
        return refusal(one.send("chat_completion", CHAT | body), status)

    none = told(401, None)
    assert (none["type"], none["error"]["type"]) == ("virtual_key_required",) * 2
    assert none["error"]["message"] == (
        "virtual key is required. Provide a virtual key via the x-bf-vk header."
    )
    revoked = new_caller(slug=caller.slug)
    caller.system.manage("revoke_key", revoked.key_id)
    for key in ("garbage", "sk-bf-sk-genie-acme-" + "0" * 24, revoked.key):
        assert told(400, key)["error"]["message"] == "virtual key not found"
    limited = new_caller("--models", "echo-slow", slug=caller.slug)
    assert told(403, limited.key)["type"] == "model_blocked"
    elsewhere = new_caller("--cidrs", "203.0.113.0/24", slug=caller.slug)
    assert told(403, elsewhere.key)["type"] == "virtual_key_blocked"
    slow = new_caller("--rpm", "1", slug=caller.slug)
    once = Client(slow).submit()
    over = Client(slow).send("chat_completion")
    assert (refusal(over, 429)["type"], "Retry-After" in over.headers) == ("rate_limited", True)
    assert "X-RateLimit-Limit" not in Client(slow).poll(once).headers
    cap = ("--layer", "org", "--window", "daily", "--credits", "0.0001")
    caller.system.manage("set_cap", "--org", caller.slug, *cap)
    dear = told(402, caller.key)
    assert (dear["type"], dear["error"]["code"]) == ("budget_exceeded", "budget-cap-hit")
    assert dear["extra_fields"]["capLayer"] == "org"
    assert {"capWindow", "resetsAt"} <= set(dear["extra_fields"])
    assert Client(slow).ended(once)["status"] == "completed"


def test_a_repeat_and_a_request_id_are_given_back(client: Client) -> None:
    first = client.send("chat_completion", Idempotency_Key="once", x_request_id="mine-1")
    again = client.send("chat_completion", Idempotency_Key="once")

    assert first.json() == again.json()
    assert first.headers["x-request-id"] == "mine-1"
    other = client.send("chat_completion", CHAT | {"seed": 1}, Idempotency_Key="once")
    refusal(other, 422)


EVENTS = ["async_job.completed", "async_job.failed"]


def register(caller: Caller, name: str, url: str | None, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "url": url, "events": EVENTS} | fields
    answer = caller.post("/v1/webhooks", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_only_an_enabled_endpoint_of_the_organisation_can_be_named(
    client: Client, new_caller: Callable[..., Caller]
) -> None:
    caller = client.caller
    own = register(caller, "own", None)
    off = register(caller, "off", None)
    caller.request("PATCH", f"/v1/webhooks/{off['id']}", json={"enabled": False})
    register(new_caller(), "theirs", None)
    reason = "failed to resolve webhook endpoint: invalid webhook endpoint reference: "

    for name in ("nobody", "theirs", own["id"]):
        told = refusal(client.send("chat_completion", x_bf_async_webhook=name), 400)
        assert told["error"]["message"] == f'{reason}unknown webhook endpoint with name "{name}"'
    disabled = refusal(client.send("chat_completion", x_bf_async_webhook="off"), 400)
    assert disabled["error"]["message"] == f'{reason}webhook endpoint "off" is disabled'
    assert caller.jobs_count() == 0


def test_a_named_endpoint_is_told_the_end_with_the_result(
    client: Client, receiver: Receiver
) -> None:
    path = f"/good-{client.caller.slug}/"
    hook = register(client.caller, "good", receiver.url(path), include_response=True)

    job_id = client.submit(x_bf_async_webhook="good")

    (post,) = receiver.wait(path)
    body = Webhook(hook["secret"]).verify(post.body, post.headers)
    schemas.require("bifrost", "delivery", body)
    polled = client.ended(job_id)
    assert body["event"] == post.headers["x-bifrost-event"] == "async_job.completed"
    assert body["data"]["response"] == polled["result"]
    assert body["data"]["result_expires_at"] == polled["expires_at"]
    assert client.caller.get(body["data"]["result_url"], headers=client.headers).json() == polled
    uuid.UUID(post.headers["webhook-id"])
    assert post.headers["user-agent"] == "Bifrost-Webhooks/1.0"


def test_a_server_error_is_tried_again_and_other_answers_are_not(
    client: Client, receiver: Receiver
) -> None:
    caller = client.caller
    paths = {name: f"/{name}-{caller.slug}/{name}" for name in ("500", "400", "302")}
    for name, path in paths.items():
        register(caller, name, receiver.url(path))
        client.submit(x_bf_async_webhook=name)

    until(lambda: _retry(caller, "500"), what="the retry after 500 to be planned")
    first, second = receiver.wait(paths["500"], count=2)
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    for name in ("400", "302"):
        once = functools.partial(_failed_at_once, caller, name)
        until(once, what=f"the permanent failure of {name}")


def _retry(caller: Caller, name: str) -> bool:
    """Bring the next attempt forward, once it is planned."""
    done = caller.system.sql(
        "UPDATE webhooks_delivery d SET next_attempt_at = now() FROM webhooks_endpoint e"
        " JOIN tenants_organization o ON o.id = e.organization_id"
        " WHERE e.id = d.endpoint_id AND o.slug = %s AND e.name = %s AND d.state = 'pending'"
        " AND d.reason = 'http-500' AND d.lease_expires_at IS NULL RETURNING 1",
        caller.slug,
        name,
    )
    return bool(done)


def _failed_at_once(caller: Caller, name: str) -> bool:
    return caller.system.sql(
        "SELECT d.state, d.attempts FROM webhooks_delivery d"
        " JOIN webhooks_endpoint e ON e.id = d.endpoint_id"
        " JOIN tenants_organization o ON o.id = e.organization_id"
        " WHERE o.slug = %s AND e.name = %s",
        caller.slug,
        name,
    ) == [("failed", 1)]
