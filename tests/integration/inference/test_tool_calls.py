"""Tool calls on a model with random weights, held to a grammar, and on the trained one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inference import scripts
from inference.backends.transformers import ChatBackend
from inference.errors import InputRejected
from inference.types import ChatRequest, ChatResult, FinishReason, SamplingParams, ToolUse
from tests.acceptance.models_file import CHECKPOINTS, needs_tiny_chat
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}},
    "required": ["city"],
    "additionalProperties": False,
}
SUM = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "minimum": 0, "maximum": 99},
        "b": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["a", "b"],
    "additionalProperties": False,
}
SCHEMAS = {"get_weather": CITY, "add": SUM}
TOOLS: tuple[dict[str, Any], ...] = tuple(
    {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}
    for name, schema in SCHEMAS.items()
)


@pytest.fixture(scope="module", params=["qwen", "llama"])
def backend(chat_checkpoint: Path, request: pytest.FixtureRequest) -> Iterator[ChatBackend]:
    spec = builders.chat_spec(
        chat_checkpoint,
        capabilities=("tools",),
        options={"device": "cpu", "tool_calls": request.param},
    )
    made = ChatBackend(spec)
    made.load()
    yield made
    made.close(timeout_s=10)


@pytest.fixture(scope="module")
def trained() -> Iterator[ChatBackend]:
    spec = builders.chat_spec(CHECKPOINTS / "genie-tiny-chat", capabilities=("tools",))
    made = ChatBackend(spec)
    made.load()
    yield made
    made.close(timeout_s=10)


def ask(backend: ChatBackend, *messages: dict[str, Any], **use: Any) -> ChatResult:
    listener = RecordingListener()
    sampling = use.pop("sampling", {"temperature": 0.0})
    request = ChatRequest(
        request_id="r",
        model="tiny",
        messages=messages or ({"role": "user", "content": "What is the weather in Paris?"},),
        tool_use=ToolUse(**{"tools": TOOLS, **use}),
        sampling=SamplingParams(max_tokens=200, **sampling),
    )
    backend.submit(request, listener)
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    assert listener.text == scripts.of([(outcome.text, outcome.tool_calls)])
    return outcome


@pytest.mark.parametrize("seed", range(8))
def test_a_required_call_is_one_with_valid_arguments(backend: ChatBackend, seed: int) -> None:
    answer = ask(backend, required=True, parallel=False, sampling={"seed": seed})

    (call,) = answer.tool_calls
    jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])
    assert (answer.text, answer.finish_reason) == ("", FinishReason.TOOL_CALLS)


def test_a_named_tool_is_the_one_that_is_called(backend: ChatBackend) -> None:
    (call,) = ask(backend, named="add", sampling={"seed": 1}).tool_calls

    assert call.name == "add"
    jsonschema.validate(json.loads(call.arguments), SUM)


def test_a_template_without_a_form_refuses_tools(chat_checkpoint: Path) -> None:
    backend = ChatBackend(builders.chat_spec(chat_checkpoint, capabilities=("tools",)))
    backend.load()
    listener = RecordingListener()
    use = ToolUse(tools=TOOLS)

    backend.submit(
        ChatRequest(
            request_id="r",
            model="tiny",
            messages=({"role": "user", "content": "hi"},),
            tool_use=use,
            sampling=SamplingParams(max_tokens=5),
        ),
        listener,
    )
    backend.close(timeout_s=10)

    assert isinstance(listener.wait(), InputRejected)


@needs_tiny_chat
class TestTheTrainedModel:
    @pytest.mark.parametrize("use", [{}, {"parallel": False}, {"required": True}])
    def test_calls_the_tool_that_fits(self, trained: ChatBackend, use: dict[str, Any]) -> None:
        answer = ask(trained, **use)

        (call,) = answer.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
        assert answer.finish_reason is FinishReason.TOOL_CALLS

    def test_answers_with_what_a_tool_said(self, trained: ChatBackend) -> None:
        call = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
        answer = ask(
            trained,
            {"role": "user", "content": "What is the weather in Paris?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        )

        assert answer.tool_calls == ()
        assert "sunny" in answer.text
