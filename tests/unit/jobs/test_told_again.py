"""Requests told again from what was understood of them."""

import json
from typing import Any

import pytest

from jobs.dialects import requests


@pytest.mark.parametrize(
    ("kept", "fields"),
    [
        (
            {"messages": [], "sampling": {"max_tokens": 5}, "n": 2, "include_usage": False},
            {"messages": [], "max_tokens": 5, "n": 2},
        ),
        (
            {"messages": [], "sampling": {"logprobs": 3}},
            {"messages": [], "logprobs": True, "top_logprobs": 3},
        ),
        (
            {"prompts": ["a"], "sampling": {"logprobs": 3}, "echo": False, "answers": 1},
            {"prompt": ["a"], "logprobs": 3, "echo": False},
        ),
        (
            {"inputs": ["a"], "dimensions": None, "encoding_format": "float"},
            {"input": ["a"], "encoding_format": "float"},
        ),
        (
            {
                "video": {"prompt": "p", "seed": 1},
                "asked_for": "m",
                "substituted": False,
                "sources": {"start_image": {"url": "https://a/b"}, "end_image": {"file": "f"}},
            },
            {"prompt": "p", "seed": 1, "start_image": "https://a/b", "end_image": {}},
        ),
        (
            {"schema": json.dumps({"type": "object"})},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "response", "schema": {"type": "object"}},
                }
            },
        ),
        (
            {
                "tool_use": json.dumps(
                    {"tools": [1], "parallel": True, "named": None, "required": True}
                )
            },
            {"tools": [1], "parallel_tool_calls": True, "tool_choice": "required"},
        ),
        (
            {
                "tool_use": json.dumps(
                    {"tools": [1], "parallel": False, "named": "f", "required": False}
                )
            },
            {
                "tools": [1],
                "parallel_tool_calls": False,
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            },
        ),
    ],
)
def test_fields_have_their_names_and_what_nobody_said_is_left_out(
    kept: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert requests.told_again(kept, model="m") == {"model": "m", **fields}
