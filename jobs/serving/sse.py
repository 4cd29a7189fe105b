"""What streams say: the server-sent events of one entry of a job's stream. Pure.

Each entry makes one event of its own number, so that a reader who resumes behind it misses nothing
and is told nothing twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genie.core.errors import GenieError
from inference import scripts
from inference.scripts import Piece
from jobs import events, results, told
from jobs.events import Entry, EntryType
from jobs.job_views import JobView
from jobs.serving.wire import dumps, job_body, job_json
from jobs.states import JobKind, JobState

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"

# The objects of the chunks that jobs stream whose answers are text.
TEXTS = {JobKind.CHAT: "chat.completion.chunk", JobKind.COMPLETION: "text_completion"}


def frame(data: dict[str, Any], *, seq: int | None = None, event: str | None = None) -> bytes:
    """Return one server-sent event; ``seq`` is what ``Last-Event-ID`` resumes after."""
    lines = [f"id: {seq}"] if seq is not None else []
    if event is not None:
        lines.append(f"event: {event}")
    return "\n".join([*lines, f"data: {dumps(data)}", "", ""]).encode()


def text_frames(job: JobView, entry: Entry, *, ended: JobView | None, include_usage: bool) -> bytes:
    """Return the frames of one entry of a text's stream; ``ended`` is the job's row for the last one.

    There are none where an entry says nothing: a mark alone, or the start of what has no roles.
    """
    match entry.type:
        case EntryType.STARTED | EntryType.PROGRESS:  # of which a text has none
            if job.kind is JobKind.COMPLETION:
                return b""
            return frame(_chunk(job, {"role": "assistant", "content": ""}), seq=entry.seq)
        case EntryType.DELTA:
            return b"".join(frame(chunk, seq=entry.seq) for chunk in _chunks(job, entry))
        case EntryType.RESTARTED:
            body = {"id": events.public_id(job.id, job.kind), "restarted": True}
            return frame(body, seq=entry.seq, event="restarted")
        case EntryType.ENDED:
            return _last_frames(ended or job, entry, include_usage=include_usage)


def _last_frames(job: JobView, entry: Entry, *, include_usage: bool) -> bytes:
    result = job.result
    if result is None:
        return frame(error_body(job), seq=entry.seq) + DONE
    frames = b"".join(
        frame(
            _chunk(job, {}, index=choice["index"], finish_reason=choice["finish_reason"]),
            seq=entry.seq,
        )
        for choice in result["choices"]
    )
    if include_usage:
        usage = {**_chunk(job, {}), "choices": [], "usage": result["usage"]}
        frames += frame(usage, seq=entry.seq)
    return frames + DONE


def error_body(job: JobView) -> dict[str, Any]:
    """Return the visible error of a stream whose job has ended without a result."""
    error = job.error or {"code": "inference-failed", "message": "The job ended without a result."}
    status = 504 if job.state is JobState.TIMEOUT else 500
    code, message = error["code"], error["message"]
    if code == "model-load-failed":  # the contract spells this frame out, under the general type
        code, message = "inference-failed", f"model failed to load: {message}"
    return _error_chunk(job, status=status, code=code, message=message)


def failure_frames(job: JobView, error: GenieError) -> bytes:
    """Return the last frames of a stream that we cannot go on with; it may be resumed."""
    words: dict[str, Any] = {
        "status": error.http_status,
        "code": error.code,
        "message": error.message,
    }
    if job.kind in TEXTS:
        return frame(_error_chunk(job, **words)) + DONE
    body = {"id": events.public_id(job.id, job.kind), "error": _error(**words)}
    return frame(body, event="error") + DONE


def _error(*, status: int, code: str, message: str) -> dict[str, Any]:
    return {"code": status, "type": code, "message": message}


def _error_chunk(job: JobView, *, status: int, code: str, message: str) -> dict[str, Any]:
    error = _error(status=status, code=code, message=message)
    return {**_chunk(job, {}, finish_reason="error"), "error": error}


_EVENTS = {
    EntryType.STARTED: "job.running",
    EntryType.RESTARTED: "job.running",
    EntryType.PROGRESS: "job.progress",
}


def job_frames(job: JobView, entry: Entry, *, ended: JobView | None) -> bytes:
    """Return the frames of a job that streams no text: its start, how far it has come, its end.

    A delta has none: what answers in text but is no chat tells all of it at the end.
    """
    if entry.type is EntryType.DELTA:
        return b""
    name = _EVENTS.get(entry.type) or f"job.{entry.state}"
    current = ended or job
    if entry.type is EntryType.PROGRESS:
        body = {"id": events.public_id(job.id, job.kind), "progress": int(entry.text)}
    elif entry.type is EntryType.ENDED:
        body = json.loads(job_json(current))
    else:
        body = job_body(current)
    last = DONE if entry.type is EntryType.ENDED else b""
    return frame(body, seq=entry.seq, event=name) + last


def _chunks(job: JobView, entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield the chunk of a delta: of text, of the head of a call, or of its arguments.

    A delta that is nothing but a mark has none.
    """
    if entry.place is None:
        yield _chunk(job, {"content": entry.text}, logprobs=entry.logprobs)
        return
    for piece in scripts.pieces(entry.place, entry.text):
        delta = _delta(job, piece)
        if piece.choice != entry.place.choice:
            delta = {"role": "assistant"} | delta
        yield _chunk(job, delta, index=piece.choice, logprobs=entry.logprobs)


def _delta(job: JobView, piece: Piece) -> dict[str, Any]:
    if piece.call is None:
        return {"content": piece.text}
    if piece.name is None:
        return {"tool_calls": [{"index": piece.call, "function": {"arguments": piece.text}}]}
    call = {
        "index": piece.call,
        "id": results.call_id(job.id, choice=piece.choice, call=piece.call),
        "type": "function",
        "function": {"name": piece.name, "arguments": ""},
    }
    return {"tool_calls": [call]}


def _chunk(
    job: JobView,
    delta: dict[str, Any],
    *,
    index: int = 0,
    finish_reason: str | None = None,
    logprobs: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index}
    if job.kind is JobKind.COMPLETION:
        choice["text"] = delta.get("content", "")
        choice["logprobs"] = None if logprobs is None else told.legacy_logprobs(logprobs)
    else:
        choice["delta"] = delta
        if logprobs is not None:
            choice["logprobs"] = {"content": logprobs, "refusal": None}
    choice["finish_reason"] = finish_reason
    return {
        "id": events.public_id(job.id, job.kind),
        "object": TEXTS[job.kind],
        "created": int(job.created_at.timestamp()),
        "model": job.model,
        "choices": [choice],
    }
