"""What a Genie answers, as scripts of the server."""

import json
from typing import Any

from tests.unit.inference.upstream_server import Line, Script, chunked, reply

JOB = "chatcmpl-cabcdefghijklmnopqrstuvwxy"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = b"data: [DONE]\n\n"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: req-1\r\n"
    b"X-Genie-Job-Id: " + JOB.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def completion(text: str = "hello") -> dict[str, Any]:
    """Return the body of a chat."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": JOB,
        "object": "chat.completion",
        "created": 1795219450,
        "model": "echo",
        "choices": [choice],
        "usage": USAGE,
    }


def job(status: str, **more: Any) -> dict[str, Any]:
    """Return the body of a job."""
    return {
        "id": JOB,
        "object": "chat.completion",
        "status": status,
        "model": "echo",
        "created": 1795219450,
        "startedAt": None,
        "completedAt": None,
        **more,
    }


def refusal(status: int, code: str, **more: Any) -> Script:
    """Return a script that refuses in the native envelope."""
    body = {"error": "No, because.", "code": code, **more}
    return reply(status, body, X_Request_Id="req-7")


def chunk(seq: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """Return a chunk of a chat under its number."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(seq, {"id": JOB, "model": "echo", "choices": [choice], **more})


def event(seq: int | None, data: dict[str, Any], *, name: str = "") -> bytes:
    """Return a server-sent event."""
    number = f"id: {seq}\n" if seq is not None else ""
    kind = f"event: {name}\n" if name else ""
    return f"{number}{kind}data: {json.dumps(data)}\n\n".encode()


def answer(*words: str, first: int = 1, usage: bool = True) -> list[bytes]:
    """Return the events of a whole answer: the role, a chunk for each word, the end."""
    told = [chunk(first, {"role": "assistant", "content": ""})]
    told += [chunk(first + n, {"content": word}) for n, word in enumerate(words, start=1)]
    last = first + len(words) + 1
    told.append(chunk(last, {}, "stop"))
    if usage:
        told.append(event(last, {"id": JOB, "model": "echo", "choices": [], "usage": USAGE}))
    return [*told, DONE]


def streamed(pieces: list[bytes], *, then: Script | None = None) -> Script:
    """Return a script that streams these pieces, and ends in good order or goes on with ``then``."""

    def run(line: Line) -> None:
        line.send(_HEAD + b"".join(chunked(piece) for piece in pieces))
        if then is None:
            line.send(b"0\r\n\r\n")
        else:
            then(line)

    return run
