"""Calls that wait for a result: chat, embeddings, ranked documents, pictures, sound."""

from collections.abc import Mapping, Sequence
from typing import Any

from genie.client.config import Config
from genie.client.exchanges import Exchange
from genie.client.operations import reading, reference, submitting
from genie.client.operations.submitting import ROUTES, File
from genie.client.types import (
    ChatCompletion,
    Embeddings,
    Images,
    Messages,
    OnDisconnect,
    Ranking,
    Speech,
    Transcription,
)


def chat(
    config: Config,
    /,
    messages: Messages,
    *,
    model: str = "lite",
    timeout_s: float | None = None,
    idempotency_key: str | None = None,
    on_disconnect: OnDisconnect = "cancel",
    **fields: Any,
) -> Exchange[ChatCompletion]:
    """Return the answer to a chat.

    Args:
        config: The client's.
        messages: What was said so far; a text is one message of the user.
        model: An id or alias of ``models()``.
        timeout_s: For how long to wait in all, in seconds; the client's ``timeout_s`` if None. A job
            that has not ended by then is cancelled.
        idempotency_key: Makes the same call, repeated within a day, the same job.
        on_disconnect: What becomes of the job if the connection is lost: ``cancel``, or ``continue``,
            so that the same call with the same key finds it.
        fields: Further fields of the body, such as ``temperature``, ``max_tokens`` or ``tools``.

    Raises:
        JobFailed: The job ended without a result.
        StillRunning: It did not end in time and was cancelled.
        ApiError: It was refused; ``BudgetCapHit`` and others are its kinds.
        NoAnswer: The server could not be reached, or went away.
    """
    found = yield from submitting.waited(
        config,
        ROUTES["chat"],
        {**fields, "model": model, "messages": messages},
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
        on_disconnect=on_disconnect,
    )
    return reading.result(ChatCompletion, found.answer, found.fields())


def embed(
    config: Config,
    /,
    input: str | Sequence[str],  # noqa: A002 - its name on the wire
    *,
    model: str,
    timeout_s: float | None = None,
    idempotency_key: str | None = None,
    **fields: Any,
) -> Exchange[Embeddings]:
    """Return one vector for each text of ``input``; see ``chat`` for the rest."""
    found = yield from submitting.waited(
        config,
        ROUTES["embedding"],
        {**fields, "model": model, "input": input if isinstance(input, str) else list(input)},
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
    )
    return reading.result(Embeddings, found.answer, found.fields())


def rerank(
    config: Config,
    /,
    query: str,
    documents: Sequence[str | Mapping[str, Any]],
    *,
    model: str,
    timeout_s: float | None = None,
    idempotency_key: str | None = None,
    **fields: Any,
) -> Exchange[Ranking]:
    """Return which documents answer a query, the best first; see ``chat`` for the rest.

    A document is a text, or ``{"text", "id", "meta"}``; ``fields`` such as ``top_n`` and
    ``return_documents``.
    """
    found = yield from submitting.waited(
        config,
        ROUTES["rerank"],
        {**fields, "model": model, "query": query, "documents": list(documents)},
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
    )
    return reading.result(Ranking, found.answer, found.fields())


def images(
    config: Config,
    /,
    prompt: str,
    *,
    model: str | None = None,
    timeout_s: float | None = None,
    idempotency_key: str | None = None,
    **fields: Any,
) -> Exchange[Images]:
    """Return pictures of a prompt; ``fields`` such as ``n``, ``size`` and ``seed``. See ``chat``."""
    found = yield from submitting.waited(
        config,
        ROUTES["image"],
        {**fields, "model": model, "prompt": prompt},
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
    )
    return reading.result(Images, found.answer, found.fields())


def speech(
    config: Config,
    /,
    input: str,  # noqa: A002 - its name on the wire
    *,
    model: str,
    timeout_s: float | None = None,
    idempotency_key: str | None = None,
    **fields: Any,
) -> Exchange[Speech]:
    """Return a spoken text; ``fields`` such as ``voice`` and ``response_format``. See ``chat``."""
    found = yield from submitting.waited(
        config,
        ROUTES["speech"],
        {**fields, "model": model, "input": input},
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
    )
    answer, job_id = found.answer, found.answer.headers.get("x-genie-job-id")
    if found.job is not None:
        answer, job_id = (yield from reference.file(config, found.job.urls[0])), found.job.id
    return Speech(
        content=answer.content,
        media_type=answer.headers.get("content-type", ""),
        job_id=job_id,
        request_id=found.answer.request_id,
    )


def transcribe(
    config: Config,
    /,
    file: File,
    *,
    model: str,
    timeout_s: float | None = None,
    idempotency_key: str | None = None,
    **fields: Any,
) -> Exchange[Transcription]:
    """Return what is said in a recording: bytes, a path, or an open file, which is read whole.

    ``fields`` such as ``language`` and ``response_format``: ``text``, ``srt`` and ``vtt`` come as
    ``text``. See ``chat`` for the rest.
    """
    found = yield from submitting.waited(
        config,
        ROUTES["transcription"],
        {**fields, "model": model, "file": file},
        timeout_s=timeout_s,
        idempotency_key=idempotency_key,
    )
    if found.job is None and found.answer.headers.get("content-type", "").startswith("text/plain"):
        said = {"text": found.answer.content.decode("utf-8", "replace")}
        return reading.result(Transcription, found.answer, said)
    return reading.result(Transcription, found.answer, found.fields())
