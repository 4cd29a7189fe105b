"""What was sent as a response's input, as a list that can be paged."""

import uuid
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from jobs.facades.openai import input_items
from tests import schemas

JOB_ID = uuid.UUID(int=35)
SENT: list[dict[str, Any]] = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "hi", "type": "message", "id": "mine"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "4"},
]


def page(limit: int = 20, after: str | None = None) -> dict[str, Any]:
    found = input_items.page(input_items.of(JOB_ID, SENT), after=after, limit=limit)
    schemas.require("openai", "input_items", found)
    return found


def test_a_text_is_a_message_of_the_user() -> None:
    (item,) = input_items.of(JOB_ID, "hello")

    assert (item["type"], item["role"], item["status"]) == ("message", "user", "completed")
    assert item["content"] == [{"type": "input_text", "text": "hello"}]


def test_items_keep_what_they_say_and_have_ids_of_their_own() -> None:
    whole = page()["data"]

    assert [one["type"] for one in whole] == [
        "message",
        "message",
        "function_call",
        "function_call_output",
    ]
    assert [one["id"].split("_")[0] for one in whole] == ["msg", "msg", "fc", "fco"]
    assert len({one["id"] for one in whole}) == 4
    assert whole[1]["content"][0]["type"] == "output_text"
    assert whole[3]["output"] == "4"
    assert page() == page()


def test_pages_go_on_behind_an_item_to_the_end() -> None:
    first = page(limit=3)
    rest = page(limit=3, after=first["last_id"])

    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["data"] + rest["data"] == page()["data"]
    assert page(after=rest["last_id"])["data"] == []


def test_an_unknown_item_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        page(after="msg_1")


def test_what_was_emptied_has_no_items() -> None:
    assert input_items.of(JOB_ID, None) == []
