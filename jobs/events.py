"""What a job tells the world: event names, stream entries, and the webhook's body. Pure."""

import dataclasses
import datetime as dt
import itertools
import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from genie.core import ids
from inference import scripts
from inference.scripts import Place
from jobs.states import ID_PREFIXES, JobKind, JobState
from jobs.told import Told


class EntryType(StrEnum):
    """What one entry of a job's stream says."""

    STARTED = "started"  # the first attempt began; always sequence number 1
    DELTA = "delta"  # more text
    PROGRESS = "progress"  # how far media work has come: its text is a number of percent
    RESTARTED = "restarted"  # a later attempt answers differently: forget the text so far
    ENDED = "ended"  # the terminal state has been committed


OPENINGS = frozenset({EntryType.STARTED, EntryType.RESTARTED})  # the text begins behind them


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a job's stream; ``seq`` counts from 1 without gaps."""

    seq: int
    type: EntryType
    text: str = ""
    state: JobState | None = None
    place: Place | None = None  # where the text stands, if it is part of a script with marks
    logprobs: Sequence[Mapping[str, Any]] | None = None  # of the tokens complete with it, if asked

    def encode(self) -> str:
        """Return the entry as Redis carries it."""
        told: list[Any] = [self.seq, self.type, self.text, self.state]
        if self.place is not None or self.logprobs is not None:
            place = self.place
            told.append(place and [place.choice, place.calls, place.in_call])
            told.append(self.logprobs)
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def decode(cls, raw: bytes | str) -> "Entry":
        """Return the entry that was encoded."""
        seq, kind, text, state, *more = json.loads(raw)
        place, logprobs = more or (None, None)
        return cls(
            seq=seq,
            type=EntryType(kind),
            text=text,
            state=JobState(state) if state else None,
            place=place and Place(choice=place[0], calls=place[1], in_call=place[2]),
            logprobs=logprobs,
        )


def event_type(state: JobState) -> str:
    """Return the event's name for a terminal state, such as ``job.completed``."""
    return f"job.{state}"


def public_id(job_id: uuid.UUID, kind: JobKind) -> str:
    """Return the id as answers show it: the object's prefix and the bare form."""
    return ID_PREFIXES[kind] + ids.bare(job_id)


def iso(moment: dt.datetime) -> str:
    """Return ISO-8601 UTC with milliseconds and ``Z``."""
    return (
        moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{moment.microsecond // 1000:03d}Z"
    )


def webhook_body(
    *,
    job_id: uuid.UUID,
    kind: JobKind,
    state: JobState,
    completed_at: dt.datetime,
    result: dict[str, Any] | None,
    error: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the native webhook body: the job envelope, and the sync body's fields beside it.

    One public document promises the envelope and another the full sync shape, so both are there.
    """
    body: dict[str, Any] = dict(result) if result else {}
    body |= {"id": public_id(job_id, kind), "status": str(state), "completedAt": iso(completed_at)}
    if state is JobState.COMPLETED:
        body["result"] = result
    else:
        body["error"] = error
    return body


def from_record(
    told: Told, delta_ends: Sequence[int] | None, state: JobState, *, first_seq: int
) -> list[Entry]:
    """Return the stream of an ended job from its row, with the seams that it had live.

    ``first_seq`` is 1, or the number at which a later attempt began the text again.
    """
    parts = _parts(told, delta_ends)
    opening = EntryType.STARTED if first_seq == 1 else EntryType.RESTARTED
    entries = [Entry(seq=first_seq, type=opening)]
    place = Place() if told.has_marks else None
    start = 0
    for part in parts:
        end = start + len(part)
        entries.append(
            Entry(
                seq=first_seq + len(entries),
                type=EntryType.DELTA,
                text=part,
                place=place,
                logprobs=told.logprobs_between(start, end),
            )
        )
        place = None if place is None else scripts.advance(place, part)
        start = end
    entries.append(Entry(seq=first_seq + len(entries), type=EntryType.ENDED, state=state))
    return entries


def _parts(told: Told, delta_ends: Sequence[int] | None) -> list[str]:
    if delta_ends:
        return [told.script[a:b] for a, b in itertools.pairwise((0, *delta_ends))]
    if told.has_marks:
        return scripts.parts(told.script)
    return [told.script] if told.script else []
