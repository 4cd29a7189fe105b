"""The stream of a response: OpenAI's typed events, numbered from 0, out of the entries of a job's stream.

Nothing of it depends on the clock or on who reads, so a reader who resumes behind a number is told
what every other reader is told. Pure.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from genie.core.errors import GenieError
from inference import scripts
from inference.scripts import Piece
from jobs import responses, results
from jobs.events import Entry, EntryType
from jobs.job_views import JobView
from jobs.serving import sse
from jobs.states import JobState

_ENDS = {"completed": "response.completed", "incomplete": "response.incomplete"}


def body_of(job: JobView, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job as a response.

    ``told`` are the settings that it was submitted with; a result has them too, but perhaps from a
    contract that tells fewer.
    """
    if job.state is JobState.COMPLETED and job.result is not None:
        return {**told, **job.result}
    return _as(job, told, responses.status_of(job.state, attempt=job.attempt))


@dataclasses.dataclass(slots=True, kw_only=True)
class _Open:
    """The item that is being told."""

    index: int  # in the output
    number: int  # among its kind, for its id
    text: str = ""  # or arguments
    call_id: str = ""  # of a call
    name: str = ""  # of a call

    @property
    def is_call(self) -> bool:
        return bool(self.call_id)


class ResponseFrames:
    """Turns one job's entries, from the first on, into frames.

    Args:
        job: The job.
        told: The settings that its response says again.
        after: The number of the last event that the reader has; -1 for none.
    """

    def __init__(self, job: JobView, told: Mapping[str, Any], *, after: int = -1) -> None:
        self._job = job
        self._told = told
        self._after = after
        self._number = 0  # of the next event
        self._begun = False
        self._open: _Open | None = None
        self._items = 0
        self._messages = 0

    def opening(self) -> bytes:
        """Return what is told before anything has happened."""
        status = responses.STATUSES[JobState.QUEUED if self._waits else JobState.RUNNING]
        names = ["response.created", *(["response.queued"] if self._waits else [])]
        response = _as(self._job, self._told, status)
        return b"".join(self._frame(name, response=response) for name in names)

    def of(self, entry: Entry, ended: JobView | None) -> bytes:
        """Return the frames of the next entry; ``ended`` is the job's row for the last one."""
        return b"".join(self._frames(entry, ended))

    def failure(self, error: GenieError) -> bytes:
        """Return the last frame of a stream that cannot go on."""
        self._number = max(self._number, self._after + 1)
        words = {"code": error.code, "message": error.message, "param": None}
        return self._frame("error", **words)

    @property
    def _waits(self) -> bool:
        return bool(self._told.get("background"))

    def _frames(self, entry: Entry, ended: JobView | None) -> Iterator[bytes]:
        match entry.type:
            case EntryType.STARTED | EntryType.PROGRESS:
                yield from self._begin()
            case EntryType.RESTARTED:
                yield from self._restart()
            case EntryType.DELTA:
                yield from self._begin()
                yield from self._delta(entry)
            case EntryType.ENDED:
                yield from self._begin()
                yield from self._end(ended or self._job)

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            response = _as(self._job, self._told, responses.IN_PROGRESS)
            yield self._frame("response.in_progress", response=response)

    def _restart(self) -> Iterator[bytes]:
        """A later attempt answers differently: what was told stays behind as an incomplete item."""
        if not self._begun:  # nobody knows any more how much was told before
            self._number = max(self._number, self._after + 1)
        yield from self._begin()
        yield from self._close(responses.INCOMPLETE)

    def _delta(self, entry: Entry) -> Iterator[bytes]:
        if entry.place is None:
            yield from self._say(entry.text)
            return
        for piece in scripts.pieces(entry.place, entry.text):
            yield from self._piece(piece)

    def _piece(self, piece: Piece) -> Iterator[bytes]:
        if piece.call is None:
            yield from self._say(piece.text)
        elif piece.name is not None:
            yield from self._call(piece.call, piece.name)
        elif self._open is not None:
            self._open.text += piece.text
            yield self._frame(
                "response.function_call_arguments.delta", **self._at(), delta=piece.text
            )

    def _say(self, text: str) -> Iterator[bytes]:
        if self._open is None or self._open.is_call:
            yield from self._close(responses.COMPLETED)
            self._open = _Open(index=self._items, number=self._messages)
            self._messages += 1
            yield self._added()
            part = responses.text_part("")
            yield self._frame(
                "response.content_part.added", **self._at(), content_index=0, part=part
            )
        if text:
            self._open.text += text
            yield self._frame(
                "response.output_text.delta",
                **self._at(),
                content_index=0,
                delta=text,
                logprobs=[],
            )

    def _call(self, number: int, name: str) -> Iterator[bytes]:
        yield from self._close(responses.COMPLETED)
        call_id = results.call_id(self._job.id, choice=0, call=number)
        self._open = _Open(index=self._items, number=number, call_id=call_id, name=name)
        yield self._added()

    def _added(self) -> bytes:
        self._items += 1
        item = self._item(responses.IN_PROGRESS)
        if item["type"] == "message":
            item["content"] = []
        index = self._items - 1
        return self._frame("response.output_item.added", output_index=index, item=item)

    def _close(self, status: str) -> Iterator[bytes]:
        """Tell that the open item is whole."""
        if self._open is None:
            return
        text = self._open.text
        if self._open.is_call:
            words = {"name": self._open.name, "arguments": text}
            yield self._frame("response.function_call_arguments.done", **self._at(), **words)
        else:
            at = self._at() | {"content_index": 0}
            yield self._frame("response.output_text.done", **at, text=text, logprobs=[])
            yield self._frame("response.content_part.done", **at, part=responses.text_part(text))
        item, index = self._item(status), self._open.index
        self._open = None
        yield self._frame("response.output_item.done", output_index=index, item=item)

    def _end(self, ended: JobView) -> Iterator[bytes]:
        response = body_of(ended, self._told)
        if ended.result is not None:
            if not self._items:
                yield from self._say("")
            yield from self._close(response["status"])
        # Whoever has it all is told the end once more, under its own number.
        self._after = min(self._after, self._number - 1)
        yield self._frame(_ENDS.get(response["status"], "response.failed"), response=response)

    def _item(self, status: str) -> dict[str, Any]:
        opened = self._open
        if opened is None:
            raise ValueError("there is no item that is being told")
        if not opened.is_call:
            return responses.message(self._job.id, opened.number, text=opened.text, status=status)
        return responses.function_call(
            self._job.id,
            opened.number,
            call_id=opened.call_id,
            name=opened.name,
            arguments=opened.text,
            status=status,
        )

    def _at(self) -> dict[str, Any]:
        """Return which item an event is about."""
        item = self._item(responses.IN_PROGRESS)
        return {"item_id": item["id"], "output_index": self._open.index if self._open else 0}

    def _frame(self, name: str, /, **words: Any) -> bytes:
        """Return the next event, or nothing if the reader has it."""
        number, self._number = self._number, self._number + 1
        if number <= self._after:
            return b""
        return sse.frame({"type": name, "sequence_number": number, **words}, event=name)


def _as(job: JobView, told: Mapping[str, Any], status: str) -> dict[str, Any]:
    return responses.unanswered(
        job.id,
        model=job.model,
        created_at=job.created_at,
        status=status,
        error=job.error
        or {"code": "inference-failed", "message": "The job ended without a result."},
        told=told,
    )
