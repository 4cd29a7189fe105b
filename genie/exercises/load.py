"""A closed loop: so many clients, each of which sends its next request when the last was answered."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from genie.exercises.calls import Answer, Failure, Link, Target
from genie.exercises.figures import Figures, Snapshot

PATH = "/v1/chat/completions"
MOST_CLIENTS = 256  # threads of this process
MOST_SECONDS = 3600.0
_TICK_S = 0.5
_PAUSE_S = 0.2  # of a client whose request got no answer: a system that is down is not hammered
_LONGEST_PAUSE_S = 5.0  # that a client takes at the word of a Retry-After
_TIMEOUT_S = 150.0  # longer than a sync caller waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be sent, by how many, and for how long."""

    target: Target
    clients: int
    seconds: float
    mode: str  # sync, stream or async
    model: str
    prompt: str
    max_tokens: int

    def body(self, number: int) -> dict[str, Any]:
        """Return the body of a request; no two are the same."""
        return {
            "model": self.model,
            "mode": self.mode,
            "messages": [{"role": "user", "content": f"{self.prompt} ({number})"}],
            "max_tokens": self.max_tokens,
        }


def run(plan: Plan, *, tell: Callable[[Snapshot], None]) -> Snapshot:
    """Send for as long as the plan says, and return what was measured.

    Stopped by KeyboardInterrupt it returns what was measured until then. ``tell`` hears the figures
    twice a second. A request that is under way at the end is waited for, and counts.
    """
    figures, stop = Figures(), threading.Event()
    numbers = itertools.count(1)
    began = time.monotonic()
    clients = [
        threading.Thread(target=_client, args=(plan, figures, numbers, stop), daemon=True)
        for _ in range(plan.clients)
    ]
    for one in clients:
        one.start()
    try:
        for left_s in _until(began + plan.seconds):
            tell(figures.snapshot(seconds=time.monotonic() - began))
            stop.wait(min(_TICK_S, left_s))
        stop.set()
        for one in clients:
            one.join(_TIMEOUT_S)
    except KeyboardInterrupt:
        stop.set()
    return figures.snapshot(seconds=time.monotonic() - began)


def _until(deadline: float) -> Iterator[float]:
    while (left_s := deadline - time.monotonic()) > 0:
        yield left_s


def _client(
    plan: Plan, figures: Figures, numbers: "itertools.count[int]", stop: threading.Event
) -> None:
    link = Link(plan.target, timeout_s=_TIMEOUT_S)
    send = _stream if plan.mode == "stream" else _ask
    while not stop.is_set():
        try:
            pause_s = send(link, plan.body(next(numbers)), figures)
        except Failure as error:
            figures.failed(type(error).__name__)
            pause_s = _PAUSE_S
        if pause_s:
            stop.wait(pause_s)
    link.close()


def _ask(link: Link, body: dict[str, Any], figures: Figures) -> float:
    """Send one request; return how long to wait before the next."""
    began = time.perf_counter()
    answer = link.call("POST", PATH, body)
    figures.answered(answer.status, seconds=time.perf_counter() - began)
    return _pause_s(answer)


def _pause_s(answer: Answer) -> float:
    if answer.status < 400:
        return 0.0
    try:
        asked = float(answer.headers.get("retry-after", _PAUSE_S))
    except ValueError:
        asked = _PAUSE_S
    return min(asked, _LONGEST_PAUSE_S)


def _stream(link: Link, body: dict[str, Any], figures: Figures) -> float:
    """Send one request and read its stream; return how long to wait before the next."""
    began = time.perf_counter()
    first_s: float | None = None
    last = ""
    for last in link.stream(PATH, body):
        first_s = first_s or time.perf_counter() - began
        if (failure := _failure(last)) is not None:
            figures.failed(failure)
    if last == "[DONE]":
        figures.answered(200, seconds=time.perf_counter() - began, first_s=first_s)
        return 0.0
    return _PAUSE_S


def _failure(data: str) -> str | None:
    """Return the code of an error, of a stream or in its place."""
    if '"error"' not in data:
        return None
    try:
        said = json.loads(data)
    except ValueError:
        return "malformed"
    error = said.get("error")
    if not error:
        return None
    return str(error.get("type") if isinstance(error, dict) else said.get("code", "error"))
