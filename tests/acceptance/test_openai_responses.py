"""OpenAI's own client and its responses: waited for, streamed, parsed, in the background, deleted."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest
import requests
from openai.types.responses import Response, ResponseFunctionToolCall

from tests import schemas
from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_chat
from tests.acceptance.system import until

SLOW = "one two three four five six seven eight"
LONG = "word " * 200  # of the slow echo: longer than any test waits
ENDED = ("completed", "failed", "cancelled", "incomplete")


@pytest.fixture
def client(caller: Caller) -> Iterator[openai.OpenAI]:
    base_url = f"{caller.system.base_url}/openai/v1"
    with openai.OpenAI(base_url=base_url, api_key=caller.key, max_retries=0) as made:
        yield made


class Person(pydantic.BaseModel):
    """What is read out of a text."""

    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=120)


WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather now",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def required(response: Response) -> Response:
    """Return a response that has the shape of one."""
    schemas.require("openai", "response", response.to_dict())
    return response


def ended(client: openai.OpenAI, response_id: str) -> Response:
    """Poll until the end; whatever is told on the way is a proper response."""

    def finished() -> Response | None:
        found = required(client.responses.retrieve(response_id))
        return found if found.status in ENDED else None

    found: Response = until(finished, what=f"the end of {response_id}", limit_s=40)
    return found


def told(
    client: openai.OpenAI, response_id: str, *, starting_after: int | None = None
) -> list[dict[str, Any]]:
    """Return the events of a response's stream, each a proper one, without gaps in their numbers."""
    first = 0 if starting_after is None else starting_after + 1
    behind = openai.omit if starting_after is None else starting_after
    with client.responses.retrieve(response_id, stream=True, starting_after=behind) as stream:
        events = [event.to_dict() for event in stream]
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(first, first + len(events)))
    for event in events:
        schemas.require("openai", "response_event", event)
    return events


def test_create_and_look_at_it_again(client: openai.OpenAI) -> None:
    made = required(
        client.responses.create(
            model="echo",
            instructions="Be brief.",
            input=[
                {"role": "user", "content": "hello"},
                {"role": "user", "content": [{"type": "input_text", "text": "again"}]},
            ],
            metadata={"a": "b"},
            temperature=0.5,
        )
    )

    assert made.output_text == "echo: again"
    assert made.status == "completed"
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    assert (made.metadata, made.temperature, made.background) == ({"a": "b"}, 0.5, False)
    assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
    assert client.responses.retrieve(made.id.replace("-", "_")).id == made.id

    items = client.responses.input_items.list(made.id, limit=1, order="asc")
    schemas.require("openai", "input_items", items.to_dict())
    assert items.has_more
    texts = [item.to_dict()["content"][0]["text"] for item in items]  # type: ignore[index]
    assert texts == ["hello", "again"]


def test_what_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    cut = required(client.responses.create(model="echo", input=SLOW, max_output_tokens=3))
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    assert told(client, cut.id)[-1]["type"] == "response.incomplete"


def test_stream_by_its_helper_and_resume_anywhere(client: openai.OpenAI) -> None:
    with client.responses.stream(model="echo", input="hello there") as stream:
        live = [event.type for event in stream]
        response = stream.get_final_response()

    assert response.output_text == "echo: hello there"
    assert [name for name in live if name != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    again = told(client, response.id)
    assert [event["type"] for event in again] == live
    assert told(client, response.id, starting_after=4) == again[5:]
    assert told(client, response.id, starting_after=len(again) - 2) == again[-1:]


@needs_tiny_chat
def test_parse_with_a_schema(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "genie-tiny-chat",
        "input": "Make JSON: Anna is 31 years old.",
        "text_format": Person,
    }
    parsed = client.responses.parse(**asked)
    required(parsed)
    assert isinstance(parsed.output_parsed, Person)

    with client.responses.stream(**asked) as stream:
        streamed = stream.get_final_response()
    assert isinstance(streamed.output_parsed, Person)


@needs_tiny_chat
def test_calls_and_what_came_of_them(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "genie-tiny-chat",
        "input": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [WEATHER],
        "tool_choice": "required",
    }
    with client.responses.stream(**asked) as stream:
        events = [event.to_dict() for event in stream]
        response = required(stream.get_final_response())

    (call, *_) = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.name == "get_weather"
    assert set(json.loads(call.arguments)) == {"city"}
    (done, *_) = (e for e in events if e["type"] == "response.function_call_arguments.done")
    assert done["arguments"] == call.arguments
    assert told(client, response.id)[-1]["response"]["output"][0]["call_id"] == call.call_id

    answer = client.responses.create(
        **{
            **asked,
            "tool_choice": "none",
            "input": [
                *asked["input"],
                {
                    "type": "function_call",
                    "call_id": call.call_id,
                    "name": call.name,
                    "arguments": call.arguments,
                },
                {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"},
            ],
        }
    )
    assert required(answer).output[0].type == "message"


def test_in_the_background_followed_from_outside(client: openai.OpenAI) -> None:
    queued = required(client.responses.create(model="echo-slow", input=SLOW, background=True))
    assert queued.status == "queued"
    assert queued.background

    live = told(client, queued.id)
    assert [event["type"] for event in live[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    assert "".join(event.get("delta", "") for event in live) == f"echo: {SLOW}"
    assert ended(client, queued.id).output_text == f"echo: {SLOW}"
    assert told(client, queued.id, starting_after=3) == live[4:]


def test_a_stream_in_the_background_outlives_its_reader(client: openai.OpenAI) -> None:
    with client.responses.create(
        model="echo-slow", input=SLOW, background=True, stream=True
    ) as stream:
        first = next(iter(stream))
    assert first.type == "response.created"
    assert ended(client, first.response.id).output_text == f"echo: {SLOW}"


def test_cancel(client: openai.OpenAI) -> None:
    running = client.responses.create(model="echo-slow", input=LONG, background=True)
    with client.responses.retrieve(running.id, stream=True) as stream:
        next(event for event in stream if event.type == "response.output_text.delta")

    cancelled = required(client.responses.cancel(running.id))
    assert cancelled.status == "cancelled"
    assert client.responses.cancel(running.id).status == "cancelled"
    last = told(client, running.id)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "cancelled")


def test_delete(client: openai.OpenAI, caller: Caller) -> None:
    made = client.responses.create(model="echo", input="hello")
    running = client.responses.create(model="echo-slow", input=LONG, background=True)

    answer = caller.request("DELETE", f"/openai/v1/responses/{made.id}")
    assert answer.status_code == 200
    schemas.require("openai", "response_deleted", answer.json())
    client.responses.delete(running.id)

    for response_id in (made.id, running.id):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response_id)
        with pytest.raises(openai.NotFoundError):
            client.responses.delete(response_id)
        assert caller.get(f"/v1/jobs/{response_id}").status_code == 404


def test_what_another_contract_submitted(client: openai.OpenAI, caller: Caller) -> None:
    body = {"model": "echo", "input": "hello", "instructions": "Be brief."}
    key = {"x-bf-vk": caller.key}
    job_id = caller.post("/v1/async/responses", body, headers=key).json()["id"]

    found = ended(client, job_id)

    assert (found.output_text, found.background) == ("echo: hello", True)
    assert told(client, found.id)[-1]["response"] == found.to_dict()
    assert [one.type for one in client.responses.input_items.list(job_id)] == ["message"]


def test_errors_are_the_clients_exceptions(client: openai.OpenAI, caller: Caller) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.responses.create(model="gpt-9", input="hello")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as remembered:
        client.responses.create(model="echo", input="hello", previous_response_id="resp-1")
    assert remembered.value.param == "previous_response_id"
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model="echo-broken", input="hello")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-genie-nobody-000000000000000000000000").responses.create(
            model="echo", input="hello"
        )
    failed = client.responses.create(model="echo-broken", input="hello", background=True)
    shown = ended(client, failed.id)
    assert shown.status == "failed"
    assert shown.error is not None
    assert shown.error.code == "server_error"
    assert told(client, failed.id)[-1]["type"] == "response.failed"

    chat = caller.submit()
    refusals: list[requests.Response] = [
        caller.get(f"/openai/v1/responses/{chat}"),
        caller.get("/openai/v1/responses/nonsense"),
        caller.get(f"/openai/v1/responses/{failed.id}?stream=maybe"),
        caller.get(f"/openai/v1/responses/{failed.id}?stream=true&starting_after=-1"),
        caller.get(f"/openai/v1/responses/{failed.id}/input_items?limit=101"),
        caller.get(f"/openai/v1/responses/{failed.id}/input_items?order=up"),
        caller.get(f"/openai/v1/responses/{failed.id}/input_items?after=msg_1"),
        caller.post("/openai/v1/responses", {"model": "echo"}),
        caller.request("PUT", f"/openai/v1/responses/{failed.id}"),
    ]
    assert [one.status_code for one in refusals] == [404, 404, 400, 400, 400, 400, 400, 400, 405]
    for one in refusals:
        schemas.require("openai", "error", one.json())


def test_natively_in_every_mode(caller: Caller) -> None:
    body = {"model": "echo", "input": "hello"}
    sync = caller.post("/v1/responses", body)
    schemas.require("openai", "response", sync.json())

    accepted = caller.post("/v1/responses", body | {"mode": "async"})
    assert accepted.status_code == 202
    assert accepted.json()["object"] == "response.async"
    job = caller.ended(accepted.json()["id"])
    schemas.require("openai", "response", job["result"])
    assert job["result"]["output"][0]["content"][0]["text"] == "echo: hello"
    quote = caller.post("/v1/jobs/quote", body | {"route": "/v1/responses"}).json()
    assert (quote["allowed"], quote["route"]) == (True, "/v1/responses")
    refused = caller.post("/v1/responses", body | {"mode": "sync", "background": True})
    assert refused.json()["details"][0]["field"] == "mode"
