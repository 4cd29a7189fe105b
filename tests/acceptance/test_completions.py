"""Journey: text completions, waited for, streamed and resumed, quoted, and by OpenAI's SDK."""

import re

import openai
import pytest

from tests.acceptance.callers import Caller, events
from tests.acceptance.models_file import TOKEN_MICROCREDITS, needs_tiny_chat

PATH = "/v1/completions"


def test_every_prompt_is_completed_n_times_and_charged_once(caller: Caller) -> None:
    answer = caller.post(PATH, {"model": "echo", "prompt": ["one two", "three"], "n": 2})

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert re.fullmatch(r"cmpl-c[0-9a-z]{24,25}", body["id"])
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {"text": text, "index": index, "logprobs": None, "finish_reason": "stop"}
        for index, text in enumerate(["echo: one two"] * 2 + ["echo: three"] * 2)
    ]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 10, "total_tokens": 13}
    cost = caller.job(body["id"])["cost"]
    assert cost == pytest.approx(13 * TOKEN_MICROCREDITS / 1_000_000)


def test_a_stream_has_text_chunks_and_can_be_resumed(caller: Caller) -> None:
    asked = {"model": "echo", "prompt": ["one two", "three"], "stream": True, "echo": True}
    with caller.post(PATH, asked, stream=True) as answer:
        found = list(events(answer))

    assert found[-1].data == "[DONE]"
    chunks = [event.body for event in found[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    texts = ["", ""]
    for chunk in chunks:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == ["one twoecho: one two", "threeecho: three"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-2:]] == ["stop", "stop"]

    path = f"/v1/jobs/{chunks[0]['id']}/events"
    with caller.get(path, headers={"Last-Event-ID": found[1].id}, stream=True) as again:
        rest = list(events(again))
    assert [event.data for event in rest] == [event.data for event in found[2:]]


def test_a_body_can_be_quoted(caller: Caller) -> None:
    body = {"route": PATH, "model": "echo", "prompt": "one two three", "n": 2, "max_tokens": 5}

    quote = caller.post("/v1/jobs/quote", body).json()

    assert quote["route"] == PATH
    assert quote["quantities"]["max_completion_tokens"] == 10


def test_what_is_not_supported_is_refused(caller: Caller) -> None:
    answer = caller.post(PATH, {"model": "echo", "prompt": "one", "suffix": "two"})

    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "suffix"


@needs_tiny_chat
def test_openais_sdk_reads_them(caller: Caller) -> None:
    client = openai.OpenAI(base_url=f"{caller.system.base_url}/openai/v1", api_key=caller.key)

    with client:
        made = client.completions.create(
            model="genie-tiny-chat", prompt="<|im_start|>user\n", max_tokens=4, logprobs=2
        )

    assert made.object == "text_completion"
    (choice,) = made.choices
    assert choice.logprobs is not None
    assert "".join(choice.logprobs.tokens or []) == choice.text
