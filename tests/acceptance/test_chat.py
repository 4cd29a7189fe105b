"""Journey: a chat in each of its three modes."""

import requests

from tests.acceptance.callers import Caller, text_of


def test_a_sync_chat_answers_with_the_completion(caller: Caller) -> None:
    answer = caller.chat("good morning to you")

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["id"].startswith("chatcmpl-c")
    assert body["object"] == "chat.completion"
    assert body["model"] == "echo"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "echo: good morning to you"},
            "finish_reason": "stop",
        }
    ]
    assert body["usage"] == {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}


def test_a_stream(caller: Caller) -> None:
    found = caller.stream("one two three")
    assert text_of(found) == "echo: one two three"


def test_health(system) -> None:
    assert requests.get(f"{system.base_url}/health", timeout=5).status_code == 200
