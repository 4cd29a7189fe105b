"""What a stream's reader knows: where it stands, what to ask for next, what an event says. No I/O.

Note [Resuming behind an entry]
    The events of one entry of a job's stream share a number, and a connection may be cut between
    them. So a reader resumes behind the last entry that it surely has whole, and skips as many events
    of the next one as it had of it. Nothing is told twice and nothing is left out.
"""

import abc
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from genie.client.assembling import Assembled
from genie.client.config import Config
from genie.client.errors import ApiError, JobFailed, NoAnswer, UnexpectedAnswer
from genie.client.exchanges import Call, Event
from genie.client.operations import jobs, submitting
from genie.client.retrying import Repeat
from genie.client.types import Delta, JobEvent, Messages, Usage

DONE = "[DONE]"
SILENCE_S = 30.0  # on top of the client's patience: the server says something every 15 s

T = TypeVar("T")


class Telling(abc.ABC, Generic[T]):
    """The state of one stream across the connections that it takes."""

    def __init__(
        self, config: Config, first: Call, *, job_id: str = "", after: int = 0, resumes: bool = True
    ) -> None:
        self._config = config
        self._first = dataclasses.replace(first, wait_s=SILENCE_S)
        self._failures = 0
        self._behind = str(after or "")  # what came whole; see Note [Resuming behind an entry]
        self._entry = self._behind  # what is being told
        self._heard = 0  # how many events of it were
        self._skip = 0  # how many of them come again
        self.job_id = job_id
        self.resumes = resumes
        self.request_id = ""
        self.ended = False

    def call(self) -> Call:
        """Return what to send: the first call, or one that reads on."""
        if not (self.job_id and self._entry):
            return self._first
        headers = {"Last-Event-ID": self._behind} if self._behind else {}
        return Call(
            method="GET",
            path=jobs.events_path(self.job_id),
            headers=headers,
            wait_s=SILENCE_S,
            repeat=Repeat.SAFE,
        )

    def opened(self, headers: Mapping[str, str]) -> None:
        """Note that an answer began."""
        self.job_id = headers.get("x-genie-job-id") or self.job_id
        self.request_id = headers.get("x-request-id", "")
        self._skip = self._heard

    def heard(self, event: Event) -> list[T]:
        """Return what an event tells that was not told before.

        Raises:
            JobFailed: The job has ended without a result.
            NoAnswer: The server ends the stream, though the job goes on.
        """
        if event.data == DONE:
            self.ended = True
            return []
        fields = _fields(event)
        error = fields.get("error")
        if isinstance(error, Mapping) and error.get("type") == "unavailable":
            raise NoAnswer(str(error.get("message")))
        if self._is_known(event):
            return []
        self._failures = 0
        return self.told(fields, event=event)

    @abc.abstractmethod
    def told(self, fields: Mapping[str, Any], *, event: Event) -> list[T]:
        """Return what an event says that is heard for the first time."""

    def lost(self, error: NoAnswer | ApiError) -> float:
        """Return how long to wait before the stream is read on.

        Raises:
            NoAnswer, ApiError: It is not, or has been tried often enough.
        """
        self._failures += 1
        begun = bool(self._entry)
        if begun and not self.resumes:
            raise error
        repeat = Repeat.SAFE if begun else self._first.repeat
        pause_s = self._config.retrying.pause_s(error, attempt=self._failures, repeat=repeat)
        if pause_s is None:
            raise error
        return pause_s

    def _is_known(self, event: Event) -> bool:
        """Tell whether an event comes again; note where the reader stands."""
        if event.id != self._entry:
            self._behind, self._entry, self._heard, self._skip = self._entry, event.id, 0, 0
        elif self._skip:
            self._skip -= 1
            return True
        self._heard += 1
        return False


class ChatTelling(Telling[Delta]):
    """A chat that is submitted and streamed."""

    def __init__(
        self,
        config: Config,
        messages: Messages,
        *,
        model: str,
        idempotency_key: str | None,
        resumes: bool,
        fields: Mapping[str, Any],
    ) -> None:
        body = {"stream_options": {"include_usage": True}, **fields}
        body |= {"model": model, "messages": messages, "mode": "stream"}
        # A server that cancels the job of whoever is gone would leave nothing to read on.
        headers = {"X-On-Disconnect": "continue"} if resumes else {}
        call = submitting.submission(
            config,
            submitting.ROUTES["chat"],
            body,
            idempotency_key=idempotency_key,
            headers=headers,
        )
        super().__init__(config, call, resumes=resumes)
        self.so_far = Assembled()

    @property
    def orphan(self) -> str | None:
        """Return the job that would run on for nobody if its reader left now.

        None once it has ended, and where the server cancels it itself as the connection closes.
        """
        return (self.job_id or None) if self.resumes and not self.ended else None

    def told(self, fields: Mapping[str, Any], *, event: Event) -> list[Delta]:  # noqa: ARG002 - numbered by the base
        """Return the deltas of a chunk."""
        if fields.get("error"):
            self.ended = True
            raise failed(fields["error"], job_id=self.job_id, request_id=self.request_id)
        self.job_id = str(fields.get("id") or self.job_id)
        self.so_far.model = str(fields.get("model") or self.so_far.model)
        found = deltas(fields)
        for one in found:
            self.so_far.add(one)
        return found


class JobTelling(Telling[JobEvent]):
    """The events of a job that is there already."""

    def __init__(self, config: Config, job_id: str, *, after: int = 0) -> None:
        call = Call(method="GET", path=jobs.events_path(job_id), repeat=Repeat.SAFE)
        super().__init__(config, call, job_id=job_id, after=after)

    def told(self, fields: Mapping[str, Any], *, event: Event) -> list[JobEvent]:
        """Return the event."""
        seq = int(event.id) if event.id.isdigit() else 0
        kind = "chunk" if event.name == "message" else event.name
        if fields.get("error") and kind == "chunk":
            kind = "error"
        return [JobEvent(seq=seq, type=kind, data=fields)]


def deltas(fields: Mapping[str, Any]) -> list[Delta]:
    """Return what a chunk of a text adds to its answers; deltas that say nothing are left out."""
    if fields.get("restarted"):
        return [Delta(restarted=True)]
    found = [_delta(choice) for choice in fields.get("choices") or ()]
    if isinstance(fields.get("usage"), Mapping):
        found.append(Delta(usage=Usage.model_validate(fields["usage"])))
    return [one for one in found if one != Delta(index=one.index)]


def failed(error: Mapping[str, Any], *, job_id: str, request_id: str) -> JobFailed:
    """Return the failure that a stream's last frame tells."""
    code = str(error.get("type") or error.get("code") or "")
    status = {"cancelled": "cancelled", "no-worker": "cancelled"}.get(code, "failed")
    if error.get("code") == 504:
        status = "timeout"
    message = str(error.get("message") or "The job ended without a result.")
    return JobFailed(message, job_id=job_id, status=status, code=code, request_id=request_id)


def _delta(choice: Mapping[str, Any]) -> Delta:
    said = choice.get("delta") or {}
    return Delta(
        text=str(said.get("content") or choice.get("text") or ""),
        index=int(choice.get("index") or 0),
        tool_calls=tuple(said.get("tool_calls") or ()),
        finish_reason=choice.get("finish_reason"),
        logprobs=choice.get("logprobs"),
    )


def _fields(event: Event) -> dict[str, Any]:
    try:
        found = json.loads(event.data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnexpectedAnswer("An event of the stream is no JSON object; is a proxy in between?")
    return found
