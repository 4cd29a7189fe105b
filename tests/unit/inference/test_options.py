"""Options of our own backends: a mistake is a sentence when the file is read."""

from typing import Any

import pytest

from inference import options
from tests.unit.inference.specs import echo_spec


def said(backend: str, **given: Any) -> list[str]:
    return list(options.problems(echo_spec("m", backend=backend, options=given)))


@pytest.mark.parametrize(
    ("backend", "given"),
    [
        ("transformers", {"device": "cuda:1", "dtype": "bfloat16", "cache_gib": 0.5}),
        ("transformers", {"tool_calls": "llama", "template": {"enable_thinking": False}}),
        ("diffusers", {"offload": "model", "arguments": {"x": 1}, "transitions": "./x"}),
        ("echo", {"whatever": 1}),  # tests measure with it
    ],
)
def test_what_is_known_and_right_is_taken(backend: str, given: dict[str, Any]) -> None:
    assert said(backend, **given) == []


@pytest.mark.parametrize(
    ("backend", "given", "sentence"),
    [
        ("transformers", {"cach_gib": 4}, "options.cach_gib is not a known option of backend"),
        ("transformers", {"offload": "model"}, "not a known option of backend transformers."),
        ("transformers", {"device": "tpu"}, "is 'tpu'; it must be auto, cpu, cuda or cuda:1."),
        ("transformers", {"dtype": "fp16"}, "one of auto, float32, bfloat16, float16."),
        ("transformers", {"cache_gib": 0}, "it must be a number above 0."),
        ("transformers", {"max_batch_tokens": True}, "a whole number of at least 1."),
        ("transformers", {"tool_calls": "hermes"}, "one of qwen, llama."),
        ("diffusers", {"vae_tiling": "yes"}, "it must be true or false."),
        ("diffusers", {"transitions": 3}, "it must be a text in quotes."),
    ],
)
def test_anything_else_is_told(backend: str, given: dict[str, Any], sentence: str) -> None:
    (found,) = said(backend, **given)

    assert sentence in found
