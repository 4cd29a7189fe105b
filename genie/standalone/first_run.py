"""Run the first job in each mode against the running system and show what happens."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

from genie.standalone import receiver
from genie.standalone.client import Answer, Client
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError

PREFERRED = "lite"  # the persona of a small and fast model
PATH = "/v1/chat/completions"
QUESTIONS = (
    "What is the capital of France?",
    "What day comes after Monday?",
    "What is the opposite of hot?",
)
POLL_WAIT_S = 20
POLL_LIMIT = 6
DELIVERY_LIMIT_S = 30.0


def chat_model(client: Client) -> str | None:
    """Return the chat model to show jobs of: ``lite``, else one that is in memory, else any; None without one.

    Raises:
        StandaloneError: The system does not tell which models it has.
    """
    try:
        models = _expect(client.get("/v1/models"), 200)["data"]
    except (OSError, http.client.HTTPException) as error:
        raise StandaloneError(f"which models there are is not told: {error}") from error
    chats = [one for one in models if one["modality"] == "chat"]
    if any(PREFERRED in (one["id"], *one["aliases"]) for one in chats):
        return PREFERRED
    return next((one["id"] for one in sorted(chats, key=lambda one: not one["loaded"])), None)


def run(client: Client, console: Console, *, model: str, webhook_secret: str) -> bool:
    """Show one job per mode and return whether all of them succeeded."""
    console.heading("First jobs")
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("sync", lambda: run_sync(client, console, model)),
        ("stream", lambda: run_stream(client, console, model)),
        ("async", lambda: run_async(client, console, model, webhook_secret)),
    )
    results = [_attempt(mode, step, console) for mode, step in steps]  # one failure hides no other
    return all(results)


def run_sync(client: Client, console: Console, model: str) -> None:
    """Ask and wait for the whole answer."""
    began = time.monotonic()
    with console.waiting("the first job of a model waits until a worker has loaded it"):
        answer = _expect(client.post(PATH, _body(model, QUESTIONS[0])), 200)
    took_ms = 1000 * (time.monotonic() - began)
    text, usage = answer["choices"][0]["message"]["content"], answer["usage"]
    console.job("sync", QUESTIONS[0], text)
    console.note(
        f"{answer['model']}, {usage['prompt_tokens']} + {usage['completion_tokens']} tokens, "
        f"{took_ms:.0f} ms"
    )


def run_stream(client: Client, console: Console, model: str) -> None:
    """Ask and show the tokens as they arrive."""
    console.job("stream", QUESTIONS[1], "", end="")
    began, first_ms, chunks = time.monotonic(), 0.0, 0
    for data in client.stream(PATH, {**_body(model, QUESTIONS[1]), "stream": True}):
        if data == "[DONE]":
            break
        chunk = json.loads(data)
        if "error" in chunk:
            raise StandaloneError(f"the stream ended with {chunk['error']}")
        text = _delta(chunk)
        if text:
            first_ms = first_ms or 1000 * (time.monotonic() - began)
            chunks += 1
            console.part(text)
    console.part("\n")
    console.note(f"{chunks} events, the first after {first_ms:.0f} ms")


def run_async(client: Client, console: Console, model: str, webhook_secret: str) -> None:
    """Submit, poll until the end, and receive the signed webhook."""
    with receiver.listening(webhook_secret) as sink:
        webhook = {"url": sink.url, "secret": webhook_secret}
        body = {**_body(model, QUESTIONS[2]), "mode": "async", "webhook": webhook}
        accepted = _expect(client.post(PATH, body), 202)
        console.job("async", QUESTIONS[2], f"202 {accepted['status']}, {accepted['id']}")
        result = _poll(client, console, accepted["poll_url"])
        console.note(f"result: {result['choices'][0]['message']['content']}")
        delivery = sink.wait(DELIVERY_LIMIT_S)
    if delivery is None:
        raise StandaloneError(f"no webhook arrived within {DELIVERY_LIMIT_S:g} s")
    if not delivery.verified:
        raise StandaloneError("the webhook's X-Genie-Signature does not fit its body")
    console.note(f"webhook: {delivery.event}, delivery {delivery.delivery_id}, signature verified")


def _poll(client: Client, console: Console, path: str) -> Any:
    """Poll with a long wait each time; show every status once."""
    seen = ""
    for _ in range(POLL_LIMIT):
        job = _expect(client.get(path, prefer=f"wait={POLL_WAIT_S}"), 200)
        if job["status"] != seen:
            seen = job["status"]
            console.note(f"GET {path}: {seen}")
        if seen == "completed":
            return job["result"]
        if seen not in ("queued", "running"):
            raise StandaloneError(f"the job ended as {seen}: {job.get('error')}")
    raise StandaloneError(f"the job is still {seen} after {POLL_LIMIT * POLL_WAIT_S} s")


def _attempt(mode: str, step: Callable[[], None], console: Console) -> bool:
    try:
        step()
    except (StandaloneError, OSError, http.client.HTTPException, KeyError, ValueError) as error:
        console.problem(
            f"The first {mode} job failed: {type(error).__name__ if not str(error) else error}"
        )
        return False
    return True


def _body(model: str, question: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], "temperature": 0}


def _delta(chunk: dict[str, Any]) -> str:
    choices = chunk.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


def _expect(answer: Answer, status: int) -> Any:
    if answer.status != status:
        raise StandaloneError(f"HTTP {answer.status} instead of {status}: {answer.body}")
    return answer.body
