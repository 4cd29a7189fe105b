"""Journey: answers that a program reads, as JSON by a schema, from the tiny trained model."""

import json
from typing import Any

from tests.acceptance.callers import Caller, text_of
from tests.acceptance.models_file import needs_tiny_chat

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def by_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}


@needs_tiny_chat
def test_an_answer_satisfies_its_schema_waited_for_and_streamed(caller: Caller) -> None:
    asked = {"model": "genie-tiny-chat", "response_format": by_schema(PERSON), "seed": 5}

    answer = caller.chat("Make JSON: Anna is 31 years old.", **asked).json()
    events = caller.stream("Make JSON: Anna is 31 years old.", **asked)

    text = answer["choices"][0]["message"]["content"]
    assert set(json.loads(text)) == {"name", "age"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert text_of(events) == text


@needs_tiny_chat
def test_a_schema_that_cannot_be_followed_is_refused_and_never_a_job(caller: Caller) -> None:
    answer = caller.chat(
        model="genie-tiny-chat", response_format=by_schema({"properties": {"a": {"not": {}}}})
    )

    assert answer.status_code == 400, answer.text
    assert answer.json()["details"] == [
        {
            "field": "response_format.json_schema.schema",
            "message": "not: the keyword 'not' is not supported at $.properties.a",
        }
    ]
    assert caller.get("/v1/jobs").json()["data"] == []


def test_a_model_that_cannot_says_so(caller: Caller) -> None:
    answer = caller.chat(response_format={"type": "json_object"})

    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "response_format"
