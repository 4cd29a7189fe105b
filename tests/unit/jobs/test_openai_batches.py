"""Batches and their lines in OpenAI's words: every state, every end."""

from types import SimpleNamespace
from typing import Any

import pytest

from genie.core import ids
from jobs.dialects import openai_batches
from jobs.states import JobKind, JobState
from tests import schemas


@pytest.mark.parametrize(
    ("facts", "expired", "status"),
    [
        ({"refused", "concluded"}, 0, "failed"),
        ({"checked"}, 0, "validating"),
        ({"checked", "concluded", "cancelling"}, 0, "cancelled"),
        ({"unended"}, 0, "in_progress"),
        ({"unended", "cancelling"}, 0, "cancelling"),
        (set(), 0, "finalizing"),
        ({"cancelling"}, 0, "cancelling"),
        ({"concluded"}, 0, "completed"),
        ({"concluded"}, 1, "expired"),
        ({"concluded", "cancelling"}, 1, "cancelled"),
    ],
)
def test_statuses(facts: set[str], expired: int, status: str) -> None:
    told = openai_batches.status_of(
        refused="refused" in facts,
        begun="checked" not in facts,
        concluded="concluded" in facts,
        cancelling="cancelling" in facts,
        unended=2 if "unended" in facts else 0,
        expired=expired,
    )

    assert told == status


def line(
    state: JobState, *, code: str | None = None, result: Any = None, expired: bool = False
) -> dict[str, Any]:
    error = code and {"code": code, "message": "Why."}
    told = openai_batches.line(
        SimpleNamespace(
            id=ids.new_id(),
            kind=JobKind.CHAT,
            state=state,
            custom_id="mine",
            expired=expired,
            result=result,
            error=error,
        )
    )
    schemas.require("openai", "batch_line", told)
    return told


def test_a_completed_line_has_the_sync_body() -> None:
    told = line(JobState.COMPLETED, result={"object": "chat.completion"})

    assert told["custom_id"] == "mine"
    assert told["id"].startswith("batch_req_c")
    assert told["response"]["status_code"] == 200
    assert told["response"]["request_id"].startswith("chatcmpl-c")
    assert told["response"]["body"] == {"object": "chat.completion"}
    assert told["error"] is None


@pytest.mark.parametrize(
    ("state", "code", "expired", "status", "error"),
    [
        (JobState.FAILED, "inference-failed", False, 500, None),
        (JobState.TIMEOUT, "execution-timeout", False, 504, None),
        (JobState.TIMEOUT, "queue-timeout", False, 504, None),
        (JobState.TIMEOUT, "queue-timeout", True, None, "batch_expired"),
        (JobState.TIMEOUT, "execution-timeout", True, None, "batch_expired"),
        (JobState.CANCELLED, "cancelled", False, None, "batch_cancelled"),
    ],
)
def test_lines_without_an_answer(
    state: JobState, code: str, *, expired: bool, status: int | None, error: str | None
) -> None:
    told = line(state, code=code, expired=expired)

    assert (told["response"] and told["response"]["status_code"]) == status
    assert (told["error"] and told["error"]["code"]) == error
    if status is not None:
        assert told["response"]["body"]["error"]["code"] == code
