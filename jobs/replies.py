"""What a worker tells the web process whose caller waits for a job. Pure.

A web process has one channel of its own, and a job that somebody waits for names it. So nobody
subscribes to anything for such a job, the entries of many jobs share one message, and the end
brings its outcome along instead of sending the waiter to the row.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any

from jobs.events import Entry
from jobs.states import JobState

MAX_RESULT_CHARS = 65_536  # a larger result is read from the row: a channel is no place for it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job has ended, as its row says it since the commit."""

    state: JobState
    completed_at: dt.datetime
    cost_microcredits: int
    prompt_tokens: int
    completion_tokens: int
    parts: int
    error: dict[str, Any] | None
    result_json: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One line of a message. Without an entry it says: look at the row."""

    job_id: uuid.UUID
    entry: Entry | None = None
    outcome: Outcome | None = None


# A line is the job, the entry, the outcome and the result, with tabs between; a message is lines.
# JSON text escapes both separators, so nothing needs to be decoded to be taken apart, and the
# result goes to the caller as the text that it is.


def look(job_id: uuid.UUID) -> str:
    """Return the line that sends a waiter to the row."""
    return job_id.hex


def outcome_suffix(outcome: Outcome) -> str:
    """Return what follows the last entry's text in its line; empty when the row must be read."""
    if outcome.result_json is not None and len(outcome.result_json) > MAX_RESULT_CHARS:
        return ""
    told = [
        outcome.state,
        outcome.completed_at.isoformat(),
        outcome.cost_microcredits,
        outcome.prompt_tokens,
        outcome.completion_tokens,
        outcome.parts,
        outcome.error,
    ]
    return f"\t{json.dumps(told, ensure_ascii=False)}\t{outcome.result_json or ''}"


def decode(message: bytes) -> Iterator[Reply]:
    """Yield the replies of one message, in order."""
    for line in message.decode().split("\n"):
        job_hex, *rest = line.split("\t")
        yield Reply(
            job_id=uuid.UUID(hex=job_hex),
            entry=Entry.decode(rest[0]) if rest else None,
            outcome=_outcome(*rest[1:]) if len(rest) > 1 else None,
        )


def _outcome(told: str, result_json: str) -> Outcome:
    state, completed_at, cost, prompt_tokens, completion_tokens, parts, error = json.loads(told)
    return Outcome(
        state=JobState(state),
        completed_at=dt.datetime.fromisoformat(completed_at),
        cost_microcredits=cost,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        parts=parts,
        error=error,
        result_json=result_json or None,
    )
