"""Answers that follow a JSON schema, on a model with random weights: only the grammar helps it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference import structured
from inference.backends.transformers import ChatBackend
from inference.errors import InputRejected
from inference.types import ChatRequest, ChatResult, FinishReason, SamplingParams
from tests.integration.inference import builders
from tests.integration.inference.schemas import SCHEMAS
from tests.unit.inference.listeners import RecordingListener

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def backend(chat_checkpoint: Path) -> Iterator[ChatBackend]:
    made = ChatBackend(
        builders.chat_spec(chat_checkpoint, max_batch=40, capabilities=("structured-output",))
    )
    made.load()
    yield made
    made.close(timeout_s=10)


def start(backend: ChatBackend, schema: Any, **sampling: Any) -> RecordingListener:
    listener = RecordingListener()
    request = ChatRequest(
        request_id="r",
        model="tiny",
        messages=({"role": "user", "content": "hello"},),
        schema=schema,
        sampling=SamplingParams(**{"max_tokens": 200, "temperature": 1.0, "seed": 7, **sampling}),
    )
    backend.submit(request, listener)
    return listener


def result(listener: RecordingListener) -> ChatResult:
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    assert outcome.text == listener.text
    return outcome


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 0.0},
        {"temperature": 1.0, "seed": 3},
        {"temperature": 2.0, "top_p": 0.5},
        {"presence_penalty": 2.0, "frequency_penalty": 2.0},
        {"presence_penalty": -2.0, "temperature": 0.0},
        {"min_tokens": 150},
    ],
)
def test_any_way_to_sample_gives_a_valid_answer(
    backend: ChatBackend, sampling: dict[str, Any]
) -> None:
    answer = result(start(backend, PERSON, **sampling))

    jsonschema.validate(json.loads(answer.text), PERSON)
    assert answer.finish_reason is FinishReason.STOP


def test_equal_seeds_give_equal_answers_in_any_company(backend: ChatBackend) -> None:
    alone = result(start(backend, PERSON, seed=11)).text
    crowd = [
        start(backend, PERSON, seed=11),
        start(backend, None),
        start(backend, {"type": "null"}),
    ]

    together = [result(one).text for one in crowd]

    assert together[0] == alone
    assert together[2] == "null"


def test_the_token_limit_cuts_and_says_so(backend: ChatBackend) -> None:
    answer = result(start(backend, {"type": "string", "minLength": 500}, max_tokens=5))

    assert answer.finish_reason is FinishReason.LENGTH
    assert answer.text.startswith('"')


def test_properties_come_in_the_order_of_the_schema(backend: ChatBackend) -> None:
    assert list(json.loads(result(start(backend, PERSON)).text)) == ["name", "age", "tags"]


def test_a_model_without_the_capability_refuses(chat_backend: ChatBackend) -> None:
    outcome = start(chat_backend, PERSON).wait()

    assert isinstance(outcome, InputRejected)
    assert outcome.field == "response_format"


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.large_base_example, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(schemas=st.lists(SCHEMAS, min_size=32, max_size=32))
def test_generated_schemas_all_give_valid_answers(
    backend: ChatBackend, schemas: list[dict[str, Any]]
) -> None:
    for schema in schemas:
        structured.check(schema)

    started = [start(backend, schema, seed=n, max_tokens=400) for n, schema in enumerate(schemas)]

    for schema, listener in zip(schemas, started, strict=True):
        answer = result(listener)
        assert answer.finish_reason is FinishReason.STOP, (schema, answer.text)
        jsonschema.validate(json.loads(answer.text), schema)
