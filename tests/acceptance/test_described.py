"""Journey: whoever reads the description of the API and does what it shows gets what it says."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.core import NOT_SET

from tests.acceptance.system import System
from tests.fuzz import driver
from tests.fuzz.checks import CHECKS
from tests.fuzz.things import ENDS, Things, batch_file, recording

# Real videos, which other tests would wait behind. `make fuzz` sends these too, and thousands of all.
VIDEOS = [
    "createVideo",
    "createTransition",
    "openaiCreateVideo",
    "oxenEnqueue",
    "oxenGenerateVideo",
]
# What no model here does, so that the example is refused as it says.
REFUSED = {
    f"bifrost{verb}{kind}"
    for verb in ("Submit", "Poll")
    for kind in ("ImageEdit", "ImageVariation", "Ocr")
} | {"openaiRemixVideo"}
FILES = {"openaiCreateFile": batch_file()}
# What streams where its body asks for that; the others of the description do so always, or never.
STREAMS = ("createchatcompletion", "createcompletion", "createresponse")


@pytest.fixture(scope="module")
def schema(system: System) -> Any:
    return schemathesis.openapi.from_url(f"{system.base_url}/openapi.json")


@pytest.fixture(scope="module")
def things(system: System) -> Iterator[Things]:
    with Things.of_new_caller(system, "described") as made:
        yield made


@pytest.fixture(scope="module")
def managed(system: System) -> Iterator[Things]:
    """Give those of an organization whose caps and keys may change."""
    with Things.of_new_caller(system, "described-managed") as made:
        yield made


def test_every_example_is_answered_as_it_is_described(
    schema: Any, things: Things, managed: Things
) -> None:
    failures = []

    for operation in driver.operations(schema):
        problem = _problem(operation, managed if driver.is_managed(operation) else things)
        if problem:
            failures.append(f"{operation.label}: {problem}")

    assert not failures, "\n".join(failures)


def test_every_event_of_a_stream_is_as_it_is_described(schema: Any, things: Things) -> None:
    failures, count = [], 0

    for operation in driver.operations(schema):
        name = operation.definition.raw["operationId"].removeprefix("openai").lower()
        if name in STREAMS:
            count += 1
            problem = _problem(operation, things, stream=True)
            if problem:
                failures.append(f"{operation.label}: {problem}")

    assert count == 2 * len(STREAMS)
    assert not failures, "\n".join(failures)


def test_no_request_is_answered_otherwise_than_described(
    schema: Any, things: Things, managed: Things
) -> None:
    few = schema.exclude(operation_id=VIDEOS)

    report = driver.run(few, things, managed=managed, cases=200, first_seed=1)

    assert list(report.breaches.values()) == []
    assert report.cases > 150


def _problem(operation: Any, things: Things, **fields: Any) -> str:
    """Send an operation's example with more fields; return what is wrong with the answer."""
    caller, name = things.caller, operation.definition.raw["operationId"]
    body = _body(operation, things, name=name)
    case = operation.Case(
        path_parameters=_path(operation, things, name=name),
        query=_shown(operation.query),
        body=body | fields if fields else body,
        media_type=_media_type(operation),
    )
    answer = case.call(base_url=caller.system.base_url, headers=caller.headers, timeout=60)
    wanted = 400 if name in REFUSED else 200
    if answer.status_code // 100 != wanted // 100:
        return f"{answer.status_code} {answer.text[:300]}"
    try:
        case.validate_response(answer, checks=CHECKS)
    except (AssertionError, BaseExceptionGroup) as error:  # which names all that is wrong
        return str(error)[:2000]
    return ""


def _path(operation: Any, things: Things, *, name: str) -> dict[str, str]:
    make = things.fresh if name in ENDS else things.of
    return {one.name: make(operation.path, one.name) for one in operation.path_parameters}


def _shown(parameters: Any) -> dict[str, Any]:
    """Return the parameters that have an example."""
    return {
        one.name: one.definition["example"] for one in parameters if "example" in one.definition
    }


def _media_type(operation: Any) -> str | None:
    content = operation.definition.raw.get("requestBody", {}).get("content", {})
    return next(iter(content), None)


def _body(operation: Any, things: Things, *, name: str) -> Any:
    media_type = _media_type(operation)
    if media_type is None:
        return NOT_SET
    content = operation.definition.raw["requestBody"]["content"][media_type]
    body = things.filled(content["examples"]["usual"]["value"])
    for file in _files(content["schema"]):
        body = body | {file: FILES.get(name, recording())}
    return body


def _files(schema: dict[str, Any]) -> list[str]:
    """Return the files that a form must have."""
    return [
        name
        for name in schema.get("required", ())
        if schema["properties"][name].get("format") == "binary"
    ]
