"""Jobs as readers see them, made without a database."""

import datetime as dt
import json
from typing import Any

from genie.core import ids
from jobs.job_views import JobView
from jobs.states import JobKind, JobState, Lane, Mode

CREATED = dt.datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=dt.UTC)


def result(text: str = "Hello world") -> dict[str, Any]:
    """Return the sync body of a chat that answered ``text``."""
    message = {"role": "assistant", "content": text}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def job(state: JobState = JobState.QUEUED, **attributes: Any) -> JobView:
    """Return a job in a state, with what belongs to it."""
    fields: dict[str, Any] = {
        "id": ids.new_id(),
        "organization_id": ids.new_id(),
        "kind": JobKind.CHAT,
        "mode": Mode.STREAM,
        "queue": "chat",
        "lane": Lane.INTERACTIVE,
        "state": state,
        "model": "echo-chat",
        "attempt": 1,
        "worker": "w",
        "created_at": CREATED,
        "started_at": None if state is JobState.QUEUED else CREATED + dt.timedelta(seconds=1),
        "completed_at": None,
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "estimate_microcredits": 100,
        "cost_microcredits": None,
        "max_output_tokens": 16,
        "result_json": None,
        "error": None,
        "delta_ends": None,
        "first_seq": 1,
        "include_usage": False,
        "queue_position": 4 if state is JobState.QUEUED else None,
    }
    if state not in (JobState.QUEUED, JobState.RUNNING):
        fields |= {
            "completed_at": CREATED + dt.timedelta(seconds=2),
            "cost_microcredits": 1_500_000,
        }
    if state is JobState.COMPLETED:
        fields["result_json"] = json.dumps(result())
    elif fields["completed_at"]:
        fields["error"] = {"code": "worker-lost", "message": "Lost."}
    return JobView(**(fields | attributes))
