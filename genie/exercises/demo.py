"""A small varied set of jobs: each mode, and each modality that a model is there for."""

import base64
import io
import json
import math
import struct
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from genie.exercises.calls import Answer, Failure, Link, Target

_TIMEOUT_S = 150.0
_POLL_S = 10  # of a long poll
_ENDED = frozenset({"completed", "failed", "cancelled", "timeout"})
_SHOWN = 60  # characters of an answer
_TONES_HZ = (697, 1209)  # the key 1 of a telephone


class NotAsExpectedError(Exception):
    """A job ended in another way than it should; the message says how."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One job of the set, as it is seen now. Only the thread that runs it writes it."""

    what: str
    mode: str
    model: str
    path: str
    body: Mapping[str, Any]
    state: str = "waiting"
    says: str = ""
    seconds: float = 0.0
    ok: bool | None = None  # None while it has not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that the key may use."""

    id: str
    modality: str
    capabilities: frozenset[str]
    loaded: bool


def models(target: Target) -> list[Model]:
    """Return the models that the key may use; those that somebody has in memory first.

    Raises:
        NotAsExpectedError: The system does not tell them.
    """
    link = Link(target, timeout_s=_TIMEOUT_S)
    try:
        answer = link.call("GET", "/v1/models")
    except Failure as error:
        raise NotAsExpectedError(f"{target.shown} does not answer: {error}") from error
    finally:
        link.close()
    if answer.status != 200:
        raise NotAsExpectedError(answer.problem)
    found = [
        Model(
            id=one["id"],
            modality=one["modality"],
            capabilities=frozenset(one["capabilities"]),
            loaded=one["loaded"],
        )
        for one in answer.json()["data"]
    ]
    return sorted(found, key=lambda one: not one.loaded)


class _Once(NamedTuple):
    """Work that one job of the set does."""

    what: str
    mode: str
    modality: str
    capability: str
    path: str
    body: Mapping[str, Any]


_DOCUMENTS = ("A recipe for bread.", "A lighthouse shows ships a light at sea.")
_ONCE = (
    _Once("rerank", "sync", "rerank", "", "/v1/rerank",
          {"query": "light at sea", "documents": _DOCUMENTS}),
    _Once("image", "async", "image", "", "/v1/images/generations",
          {"prompt": "a lighthouse at dusk", "size": "256x256"}),
    _Once("video", "async", "video", "", "/v1/videos/generations",
          {"prompt": "waves on a beach", "duration_seconds": 1}),
    _Once("speech", "async", "audio", "speech", "/v1/audio/speech",
          {"input": "Good evening.", "response_format": "wav"}),
    _Once("transcription", "sync", "audio", "transcription", "/v1/audio/transcriptions", {}),
)  # fmt: skip


def jobs(there: Sequence[Model]) -> list[Job]:
    """Return the set for these models: what none of them can do is left out."""

    def first(modality: str, capability: str = "") -> Model | None:
        able = (one for one in there if one.modality == modality)
        return next((one for one in able if not capability or capability in one.capabilities), None)

    made: list[Job] = []
    if chat := first("chat"):
        made += [_chat(chat.id, mode) for mode in ("sync", "stream", "async")]
    if embedding := first("embedding"):
        made += [_embedding(embedding.id, mode) for mode in ("sync", "async")]
    made += [
        _job(one.what, one.mode, model.id, one.path, one.body)
        for one in _ONCE
        if (model := first(one.modality, one.capability))
    ]
    return made


def run(target: Target, wanted: Sequence[Job], *, tell: Callable[[], None]) -> None:
    """Submit all at once and follow each to its end; ``tell`` is called several times a second."""
    done = threading.Event()
    with ThreadPoolExecutor(len(wanted) + 1) as pool:
        running = [pool.submit(_run, target, job) for job in wanted]
        try:
            while not all(one.done() for one in running):
                tell()
                done.wait(0.2)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        for one in running:
            one.result()
    tell()


def _run(target: Target, job: Job) -> None:
    link, began = Link(target, timeout_s=_TIMEOUT_S), time.monotonic()
    job.state = "running"
    try:
        for state, says in _steps(link, job):
            job.state, job.says = state, says
            job.seconds = time.monotonic() - began
        job.ok = True
    except (NotAsExpectedError, KeyError, ValueError, *Failure) as error:
        job.ok, job.says = False, str(error) or type(error).__name__
        job.state = job.state if job.state in _ENDED else "failed"
    finally:
        job.seconds = time.monotonic() - began
        link.close()


def _steps(link: Link, job: Job) -> Iterator[tuple[str, str]]:
    """Yield the state of a job and what there is to say of it, each time that it has changed."""
    if job.mode == "stream":
        yield from _streamed(link, job)
    elif job.mode == "async":
        accepted = _expected(link.call("POST", job.path, job.body), 202)
        yield accepted["status"], accepted["id"]
        yield from _polled(link, accepted["poll_url"])
    else:
        yield "completed", _summary(_expected(_asked(link, job), 200))


def _asked(link: Link, job: Job) -> Answer:
    if job.path != "/v1/audio/transcriptions":
        return link.call("POST", job.path, job.body)
    form, kind = _form({"model": job.model}, _recording())
    return link.call("POST", job.path, form, headers={"Content-Type": kind})


def _streamed(link: Link, job: Job) -> Iterator[tuple[str, str]]:
    text = ""
    for data in link.stream(job.path, job.body):
        if data == "[DONE]":
            yield "completed", text
            return
        chunk = json.loads(data)
        if "error" in chunk:
            raise NotAsExpectedError(str(chunk["error"]))
        for choice in chunk.get("choices", ()):
            text += choice.get("delta", {}).get("content") or ""
        yield "running", text[-_SHOWN:]
    raise NotAsExpectedError("The stream broke off.")


def _polled(link: Link, path: str) -> Iterator[tuple[str, str]]:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        found = _expected(link.call("GET", path, headers={"Prefer": f"wait={_POLL_S}"}), 200)
        state = found["status"]
        if state == "completed":
            yield state, _summary(found["result"])
            return
        if state in _ENDED:
            raise NotAsExpectedError(f"It ended as {state}: {found.get('error')}")
        progress = found.get("progress")
        yield state, "" if progress is None else f"{progress} %"
    raise NotAsExpectedError(f"It has not ended within {_TIMEOUT_S:.0f} s.")


def _expected(answer: Answer, status: int) -> Any:
    if answer.status != status:
        raise NotAsExpectedError(answer.problem)
    return answer.json()


def _summary(result: Any) -> str:
    """Return what came of a job in a few words: the text, or what else there is."""
    if choices := result.get("choices"):
        return str(choices[0]["message"]["content"])[:_SHOWN]
    if "text" in result:
        return str(result["text"])[:_SHOWN]
    if ranked := result.get("results"):
        best = ranked[0]
        return f"document {best['index'] + 1} first, at {best['relevance_score']:.2f}"
    if data := result.get("data"):
        first = data[0]
        if "embedding" in first:
            return f"a vector of {len(first['embedding'])} numbers"
        return str(first.get("url", ""))
    return str(result.get("url", ""))


def _chat(model: str, mode: str) -> Job:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    return _job("chat", mode, model, "/v1/chat/completions",
                {"messages": messages, "max_tokens": 32, "temperature": 0})  # fmt: skip


def _embedding(model: str, mode: str) -> Job:
    return _job("embedding", mode, model, "/v1/embeddings", {"input": "a lighthouse at dusk"})


def _job(what: str, mode: str, model: str, path: str, body: Mapping[str, Any]) -> Job:
    return Job(what=what, mode=mode, model=model, path=path,
               body={"model": model, "mode": mode, **body})  # fmt: skip


def _recording() -> bytes:
    """Return a second of two tones, as WAV."""
    rate = 16_000
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        turns = [2 * math.pi * hertz / rate for hertz in _TONES_HZ]
        sound.writeframes(
            b"".join(
                struct.pack("<h", round(8000 * sum(math.sin(turn * place) for turn in turns)))
                for place in range(rate)
            )
        )
    return content.getvalue()


def _form(fields: Mapping[str, str], recording: bytes) -> tuple[bytes, str]:
    """Return a form with a recording, and its content type."""
    boundary = base64.b16encode(uuid.uuid4().bytes).decode()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="tone.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n".encode()
    )
    return (
        b"".join([*parts, recording, f"\r\n--{boundary}--\r\n".encode()]),
        f"multipart/form-data; boundary={boundary}",
    )
