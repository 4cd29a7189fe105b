"""What POST /v1/completions takes, refuses, holds, and asks of the engine."""

import asyncio
from typing import Any

import pytest

from genie.core import ids
from genie.core.errors import InvalidRequest
from inference.types import CompletionRequest
from jobs import work
from jobs.intake import bodies, completion
from jobs.intake.submit import Work
from jobs.states import JobKind
from tests.unit.inference.specs import echo_spec
from tests.unit.jobs.test_running import Attempt

SPEC = echo_spec(capabilities=("completions", "n", "logprobs"))


def work_of(spec: Any = SPEC, **fields: Any) -> Work:
    body = bodies.parse(bodies.CompletionBody, {"model": "m", "prompt": "one two", **fields})
    return asyncio.run(completion.completion_work(body, spec))


def refused(spec: Any = SPEC, **fields: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        work_of(spec, **fields)
    details: Any = caught.value.extra["details"]
    return str(details[0]["field"])


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("hi", ["hi"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_takes_openais_four_shapes_of_a_prompt(prompt: Any, prompts: list[Any]) -> None:
    assert work_of(prompt=prompt).request["prompts"] == prompts


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [""]}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": ["a"] * 20, "n": 8}, "prompt"),
        ({"prompt": " word" * 300}, "prompt.0"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"best_of": 0}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"max_tokens": 101}, "max_tokens"),
        ({"max_tokens": 3, "min_tokens": 4}, "min_tokens"),
        ({"n": 9}, "n"),
    ],
)
def test_refuses_the_rest_and_names_the_field(fields: dict[str, Any], field: str) -> None:
    assert refused(**fields) == field


def test_passes_over_what_changes_nothing() -> None:
    work_of(suffix="", best_of=1, user="me", novelty=1)
    work_of(n=2, best_of=2)


def test_needs_the_capability() -> None:
    assert refused(echo_spec()) == "model"
    assert refused(echo_spec(capabilities=("completions",)), n=2) == "n"


def test_generates_openais_sixteen_tokens_unless_told() -> None:
    assert work_of().completion_tokens == 16
    assert work_of(max_tokens=5).request["sampling"]["max_tokens"] == 5


def test_holds_for_all_answers_and_each_prompt_once() -> None:
    found = work_of(prompt=["one two", "three"], n=3, max_tokens=7)

    assert found.completion_tokens == 2 * 3 * 7
    assert found.prompt_tokens == len("one two") + len("three")  # a bound, in bytes


def test_reaches_the_engine_as_it_was_asked() -> None:
    asked = work_of(prompt=["a", "b"], n=2, echo=True, stop="x", seed=7, temperature=0)
    claimed = Attempt(kind=JobKind.COMPLETION, request=asked.request, job_id=ids.new_id()).job.claimed  # fmt: skip

    request = work.request_of(claimed)

    assert isinstance(request, CompletionRequest)
    assert (request.prompts, request.n, request.echo) == (("a", "b"), 2, True)
    assert (request.sampling.stop, request.sampling.seed) == (("x",), 7)
    assert request.sampling.logprobs is None
