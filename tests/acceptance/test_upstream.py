"""Journey: one Genie serves another as its upstream, over OpenAI's protocol and nothing else."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inference import scripts
from inference.backends.openai import OpenAIBackend
from inference.errors import InferenceError, ModelLoadFailed
from inference.fanout import Generated
from inference.specs import ModelSpec, Price
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    EmbeddingRequest,
    EmbeddingResult,
    FinishReason,
    Modality,
    SamplingParams,
    ToolUse,
    Usage,
)
from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_chat
from tests.acceptance.system import until
from tests.acceptance.test_shaped_answers import PERSON, QUESTION, WEATHER
from tests.unit.inference.listeners import RecordingListener

Open = Callable[..., OpenAIBackend]


@pytest.fixture
def open_backend(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Load backends whose server is the system under test, with the caller's key."""
    monkeypatch.setenv("OTHER_GENIE_KEY", caller.key)
    opened = []

    def run(model: str, modality: Modality = Modality.CHAT) -> OpenAIBackend:
        host, port = caller.address
        spec = ModelSpec(
            id="far",
            modality=modality,
            backend="openai",
            source=f"http://{host}:{port}/v1",
            price=Price(version="1", rates={}),
            max_batch=4,
            options={"model": model, "api_key_env": "OTHER_GENIE_KEY"},
        )
        opened.append(OpenAIBackend(spec))
        opened[-1].load()
        return opened[-1]

    yield run
    for backend in opened:
        backend.close(timeout_s=10)


def chat(text: str, **fields: Any) -> ChatRequest:
    return ChatRequest(
        request_id="r1",
        model="far",
        messages=({"role": "user", "content": text},),
        sampling=SamplingParams(max_tokens=64, temperature=0.0, seed=5),
        **fields,
    )


def completed(backend: OpenAIBackend, request: Generated) -> tuple[ChatResult, str]:
    """Return the answer, and the script that was told on the way."""
    listener = RecordingListener()
    backend.submit(request, listener)
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    return outcome, listener.text


def test_chats_and_vectors_pass_through(open_backend: Open) -> None:
    outcome, told = completed(open_backend("echo"), chat("one two three"))

    assert outcome == ChatResult(
        text="echo: one two three",
        finish_reason=FinishReason.STOP,
        usage=Usage(prompt_tokens=3, completion_tokens=4),
    )
    assert told == outcome.text

    prompts = CompletionRequest(
        request_id="r3",
        model="far",
        prompts=("one",),
        sampling=SamplingParams(max_tokens=1),
        echo=True,
    )
    outcome, told = completed(open_backend("echo"), prompts)
    assert (outcome.text, outcome.finish_reason) == ("oneecho:", FinishReason.LENGTH)
    assert told == outcome.text

    listener = RecordingListener()
    request = EmbeddingRequest(request_id="r2", model="far", inputs=("a b", "c"), dimensions=8)
    open_backend("echo-embedding", Modality.EMBEDDING).submit(request, listener)
    vectors = listener.wait()
    assert isinstance(vectors, EmbeddingResult)
    assert [len(one) for one in vectors.vectors] == [8, 8]
    assert vectors.usage == Usage(prompt_tokens=3)


def test_a_cancel_here_cancels_the_job_there(open_backend: Open, caller: Caller) -> None:
    listener = RecordingListener()
    handle = open_backend("echo-slow").submit(chat(" ".join(["x"] * 50)), listener)
    listener.wait_for_deltas(2)

    handle.cancel()

    assert isinstance(listener.wait(1), InferenceError)
    (job,) = caller.get("/v1/jobs").json()["data"]
    until(lambda: caller.job(job["id"])["status"] == "cancelled", what="the job to be cancelled")


def test_a_key_that_is_refused_is_a_failed_load(
    open_backend: Open, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_GENIE_KEY", f"{caller.key[:-1]}!")

    with pytest.raises(ModelLoadFailed, match="refuses the key in OTHER_GENIE_KEY"):
        open_backend("echo")


@needs_tiny_chat
def test_schemas_tools_and_likelihoods_pass_through(open_backend: Open) -> None:
    backend = open_backend("genie-tiny-chat")

    shaped, told = completed(backend, chat("Make JSON: Anna is 31 years old.", schema=PERSON))
    assert shaped.text.startswith('{"name":')
    assert told == shaped.text

    use = ToolUse(tools=(WEATHER,), named="get_weather")
    called, told = completed(backend, chat(QUESTION, tool_use=use))
    assert called.finish_reason is FinishReason.TOOL_CALLS
    assert [call.name for call in called.tool_calls] == ["get_weather"]
    assert told == scripts.of([(called.text, called.tool_calls)])

    plain = chat("Hello")
    sampling = dataclasses.replace(plain.sampling, logprobs=2)
    likely, _ = completed(backend, dataclasses.replace(plain, sampling=sampling))
    assert "".join(one.chosen.token for one in likely.logprobs) == likely.text
    assert likely.logprobs[-1].end == len(likely.text)
    assert all(len(one.top) == 2 for one in likely.logprobs)
