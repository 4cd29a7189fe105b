"""Requests told again from what was understood of them."""

import json
from typing import Any

import pytest

from jobs.dialects import requests


@pytest.mark.parametrize(
    ("kept", "fields"),
    [
        (
            {"messages": [], "sampling": {"max_tokens": 5}, "answers": 2, "include_usage": False},
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
            {"prompts": ["a", "b"], "sampling": {}, "answers": 6},
            {"prompt": ["a", "b"], "n": 3},
        ),
        (
            {"inputs": ["a"], "dimensions": None, "encoding_format": "float"},
            {"input": ["a"], "encoding_format": "float"},
        ),
        (
            {
                "image": {
                    "prompt": "p",
                    "negative_prompt": "",
                    "width": 256,
                    "height": 512,
                    "count": 2,
                    "steps": 4,
                    "seed": 1,
                    "format": "png",
                },
                "asked_for": "m",
                "substituted": False,
                "as_base64": True,
                "metadata": {"a": "b"},
            },
            {
                "prompt": "p",
                "size": "256x512",
                "n": 2,
                "seed": 1,
                "output_format": "png",
                "response_format": "b64_json",
                "metadata": {"a": "b"},
            },
        ),
        (
            {
                "video": {
                    "prompt": "p",
                    "width": 64,
                    "height": 64,
                    "duration_ms": 1500,
                    "seed": 1,
                    "format": "webm",
                },
                "asked_for": "m",
                "substituted": False,
                "sources": {"start_image": {"url": "https://a/b"}, "end_image": {"file": "f"}},
            },
            {
                "prompt": "p",
                "size": "64x64",
                "duration_seconds": 1.5,
                "seed": 1,
                "start_image": "https://a/b",
                "end_image": {},
            },
        ),
        (
            {
                "speech": {
                    "text": "hi",
                    "voice": "alloy",
                    "speed": 1.0,
                    "seed": 1,
                    "format": "wav",
                },
                "asked_for": "m",
                "answer_as": "file",
            },
            {"input": "hi", "voice": "alloy", "speed": 1.0, "seed": 1, "response_format": "wav"},
        ),
        (
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "hi"},
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [
                            {
                                "id": "c",
                                "type": "function",
                                "function": {"name": "f", "arguments": "{}"},
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": "c", "content": "1"},
                ],
                "sampling": {"max_tokens": 5, "seed": 7},
                "response": {
                    "instructions": "Be brief.",
                    "previous_response_id": None,
                    "store": True,
                    "tool_choice": "auto",
                    "max_output_tokens": 5,
                },
            },
            {
                "input": [
                    {"type": "message", "role": "user", "content": "hi"},
                    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c", "output": "1"},
                ],
                "instructions": "Be brief.",
                "tool_choice": "auto",
                "max_output_tokens": 5,
            },
        ),
        (
            {
                "query": "q",
                "documents": [{"text": "a", "id": "x"}],
                "document_tokens": 7,
                "top_n": None,
                "return_documents": False,
            },
            {
                "query": "q",
                "documents": [{"text": "a", "id": "x"}],
                "max_tokens_per_doc": 7,
                "return_documents": False,
            },
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
