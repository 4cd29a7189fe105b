"""What makes a job: its route, its body, its Idempotency-Key; and waiting for what comes of it."""

import dataclasses
import math
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeAlias

from genie.client.config import Config
from genie.client.errors import ApiError, GenieError, JobFailed, NotConfigured, StillRunning
from genie.client.exchanges import INTERRUPTIONS, Answer, Call, Deadline, Exchange, Upload, sent
from genie.client.operations import jobs, reading
from genie.client.retrying import Repeat
from genie.client.types import JobInfo, Messages, OnDisconnect

ROUTES: Mapping[str, str] = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "response": "/v1/responses",
    "embedding": "/v1/embeddings",
    "image": "/v1/images/generations",
    "video": "/v1/videos/generations",
    "transition": "/v1/videos/transitions",
    "speech": "/v1/audio/speech",
    "transcription": "/v1/audio/transcriptions",
    "rerank": "/v1/rerank",
}
File: TypeAlias = bytes | str | Path | BinaryIO

# How a job of a sync call is told to have ended without a result, by the status of the answer.
_ENDED = {400: "failed", 409: "cancelled", 500: "failed", 504: "timeout"}


def submit(
    config: Config,
    /,
    kind: str = "chat",
    *,
    webhook: Mapping[str, str] | str | None = None,
    idempotency_key: str | None = None,
    **fields: Any,
) -> Exchange[JobInfo]:
    """Submit a job of any modality in async mode and return it as it was accepted.

    Args:
        config: The client's.
        kind: What is to be done; a key of ``ROUTES``, such as ``chat`` or ``image``.
        webhook: Where its end is to be told: an address, or ``{"url", "secret"}``.
        idempotency_key: Makes the same submission, repeated within a day, the same job; one is made
            up for each call, so that it may be sent again when an answer is lost.
        fields: The body's fields under their names on the wire; ``messages`` may be a text, ``file``
            is bytes, a path or an open file.

    Raises:
        ApiError: It was refused, with nothing held and nothing run.
    """
    if kind not in ROUTES:
        raise NotConfigured(f"{kind!r} is no kind of job; use {', '.join(ROUTES)}.")
    hook = {"url": webhook} if isinstance(webhook, str) else webhook
    body = {**fields, "mode": "async"} | ({"webhook": dict(hook)} if hook else {})
    call = submission(config, ROUTES[kind], body, idempotency_key=idempotency_key)
    answer = yield from sent(config, call)
    return reading.result(JobInfo, answer)


def submission(
    config: Config,
    /,
    path: str,
    fields: Mapping[str, Any],
    *,
    idempotency_key: str | None,
    headers: Mapping[str, str] | None = None,
) -> Call:
    """Return the call that submits; fields that are None are left out."""
    body = {name: value for name, value in fields.items() if value is not None}
    if "messages" in body:
        body["messages"] = as_messages(body["messages"])
    upload = _upload(body.pop("file")) if "file" in body else None
    unstored = {} if config.store else {"X-Genie-Store": "none"}
    key = idempotency_key or f"genie-client-{uuid.uuid4()}"
    return Call(
        method="POST",
        path=path,
        body=body,
        upload=upload,
        headers={"Idempotency-Key": key, **unstored, **(headers or {})},
        repeat=Repeat.KEYED,
    )


def as_messages(messages: Messages) -> list[dict[str, Any]]:
    """Return messages as they are sent; a text is one message of the user."""
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    return [dict(one) for one in messages]


class Waited:
    """What came of a call that waits: the answer with its result, or the job that has it."""

    def __init__(self, answer: Answer, job: JobInfo | None = None) -> None:
        self.answer = answer
        self.job = job

    def fields(self) -> dict[str, Any]:
        """Return the result as the sync body has it."""
        if self.job is None:
            return self.answer.fields()
        return {**(self.job.result or {}), "job_id": self.job.id}


def waited(
    config: Config,
    /,
    path: str,
    fields: Mapping[str, Any],
    *,
    timeout_s: float | None,
    idempotency_key: str | None,
    on_disconnect: OnDisconnect = "cancel",
) -> Exchange[Waited]:
    """Submit in sync mode and wait for the result, beyond the server's own limit if need be.

    The server answers with the job instead of an error when it has not ended within a minute;
    then the job is polled. What has not ended after ``timeout_s`` is cancelled.

    Raises:
        JobFailed: The job ended without a result.
        StillRunning: It did not end in time and was cancelled.
        ApiError: It was refused.
        NoAnswer: No answer came. The server cancels the job of a caller that is gone, unless
            ``on_disconnect`` is ``continue``.
    """
    until = Deadline(config.timeout_s if timeout_s is None else timeout_s)
    wait_s = max(1, min(jobs.LONGEST_WAIT_S, math.floor(until.left_s())))
    headers = {"Prefer": f"wait={wait_s}"}
    if on_disconnect == "continue":
        headers["X-On-Disconnect"] = "continue"
    call = submission(config, path, fields, idempotency_key=idempotency_key, headers=headers)
    try:
        answer: Answer = yield from sent(
            config, dataclasses.replace(call, wait_s=wait_s), until=until
        )
    except ApiError as error:
        if error.job_id is not None and error.status in _ENDED:
            raise _job_failed(error) from None
        raise
    if answer.status != 202:
        return Waited(answer)
    accepted = reading.result(JobInfo, answer)
    try:
        job = yield from jobs.until_ended(config, accepted.id, until=until)
    except INTERRUPTIONS:  # nobody will ask for it: its caller does not know its id
        yield from _cancelled(config.once(), accepted.id)
        raise
    if not job.has_ended:
        yield from _given_up(config, job)
    return Waited(answer, jobs.completed(job))


def _given_up(config: Config, /, job: JobInfo) -> Exchange[NoReturn]:
    """Cancel a job that nobody waits for any longer, and say so."""
    cancelled = yield from _cancelled(config, job.id)
    state = "was cancelled" if cancelled else "could not be cancelled"
    raise StillRunning(
        f"Job {job.id} did not end in time and {state}; pass a longer timeout_s, or submit it.",
        job_id=job.id,
        cancelled=cancelled,
    )


def _cancelled(config: Config, job_id: str, /) -> Exchange[bool]:
    """Cancel a job and tell whether that was done: not where it ended just now, or nobody answers."""
    try:
        yield from jobs.cancel(config, job_id)
    except GenieError:
        return False
    return True


def _job_failed(error: ApiError) -> JobFailed:
    return JobFailed(
        error.message,
        job_id=error.job_id or "",
        status=_ENDED[error.status],
        code=error.code,
        request_id=error.request_id,
    )


def _upload(file: File) -> Upload:
    """Return a file of a form, read whole: a call that may be repeated cannot send a stream."""
    if isinstance(file, bytes):
        return Upload(name="audio", content=file)
    if isinstance(file, str | Path):
        path = Path(file)
        try:
            return Upload(name=path.name, content=path.read_bytes())
        except OSError as error:
            raise NotConfigured(f"{path} cannot be read: {error.strerror}.") from error
    return Upload(name=Path(str(getattr(file, "name", "audio"))).name, content=file.read())
