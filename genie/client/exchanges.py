"""An operation as an exchange: a generator that says what to send, and is told what came back.

It opens no connection and never waits by itself, so one text serves the client that blocks and the
one that awaits: ``drivers`` has both. An exchange yields ``Call`` and is sent an ``Answer``, or yields
``Pause`` and is sent nothing once that time is over. ``NoAnswer`` and interruptions are thrown in.
"""

import asyncio
import functools
import inspect
import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar, get_args

from genie.client import errors
from genie.client.config import Config
from genie.client.errors import ApiError, NoAnswer, UnexpectedAnswer
from genie.client.retrying import Repeat

T = TypeVar("T")

# Ctrl-C, and a task that is cancelled: thrown into the exchange, which may have a last thing to say.
INTERRUPTIONS = (KeyboardInterrupt, asyncio.CancelledError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of a form."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        method: GET, POST or DELETE.
        path: Below the base URL; or a whole URL, which is called without the key.
        query: Its parameters.
        body: A JSON body; beside ``upload``, the fields of the form.
        upload: The file of a form, under the name ``file``.
        headers: Beside those of every call.
        wait_s: How long the server was asked to wait, which its silence may last longer.
        repeat: What makes it safe to send this twice.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    repeat: Repeat = Repeat.UNSENT

    @property
    def is_public(self) -> bool:
        """Tell whether it goes to a file's public address, which may be another server's."""
        return "://" in self.path


@dataclass(frozen=True, slots=True)
class Pause:
    """Time to let pass."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def request_id(self) -> str:
        """Return the server's name for the request."""
        return self.headers.get("x-request-id", "")

    def fields(self) -> dict[str, Any]:
        """Return the JSON object that the body is.

        Raises:
            UnexpectedAnswer: It is none.
        """
        found = decoded(self.content)
        if not isinstance(found, dict):
            raise UnexpectedAnswer(
                f"The answer (HTTP {self.status}) is no JSON object; does GENIE_BASE_URL name a Genie?"
            )
        return found


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: the number that resumes behind it, its name, its data."""

    id: str
    name: str
    data: str


Step: TypeAlias = Call | Pause
Exchange: TypeAlias = Generator[Step, Any, T]


class Running(Generic[T]):
    """An exchange that has begun: the step that it waits for; None once it has its result."""

    def __init__(self, exchange: Exchange[T]) -> None:
        self._exchange = exchange
        self._result: list[T] = []
        self.step: Step | None = None
        self.told(None)

    @property
    def result(self) -> T:
        """Return what the exchange returned."""
        return self._result[0]

    def told(self, answer: Answer | None) -> None:
        """Go on with an answer, or after a pause."""
        self._advance(self._exchange.send, answer)

    def failed(self, error: BaseException) -> None:
        """Go on without an answer: with the error, which comes out again unless it is taken."""
        self._advance(self._exchange.throw, error)

    def _advance(self, move: Callable[[Any], Step], told: Answer | BaseException | None) -> None:
        try:
            self.step = move(told)
        except StopIteration as end:  # caught here: it may not leave a coroutine
            self.step = None
            self._result.append(end.value)


class Deadline:
    """A moment by which something is to be over; None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._ends = None if seconds is None else time.monotonic() + seconds

    @property
    def is_set(self) -> bool:
        """Tell whether there is one."""
        return self._ends is not None

    def left_s(self) -> float:
        """Return the seconds that are left; 0 once it has passed."""
        return float("inf") if self._ends is None else max(0.0, self._ends - time.monotonic())


def sent(config: Config, call: Call, *, until: Deadline | None = None) -> Exchange[Answer]:
    """Send a call, again where that is safe and within the deadline, and return its success.

    Raises:
        ApiError: It was refused.
        NoAnswer: Nothing came back.
    """
    attempt = 0
    while True:
        attempt += 1
        problem: NoAnswer | ApiError
        try:
            answer: Answer = yield call
        except NoAnswer as error:
            problem = error
        else:
            if answer.status < 400:
                return answer
            problem = refused(answer)
        pause_s = config.retrying.pause_s(problem, attempt=attempt, repeat=call.repeat)
        if pause_s is None or (until is not None and pause_s >= until.left_s()):
            raise problem
        yield Pause(pause_s)


def shown_as(method: Callable[..., Any], operation: Callable[..., Exchange[Any]]) -> None:
    """Give a method the name, the documentation and the signature of the operation that it runs."""
    functools.update_wrapper(method, operation)
    method.__doc__ = (operation.__doc__ or "").replace("        config: The client's.\n", "")
    signature = inspect.signature(operation)
    _, *others = signature.parameters.values()
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    *_, returned = get_args(signature.return_annotation)  # of a generator, the last
    method.__signature__ = signature.replace(  # type: ignore[attr-defined] # functions have it; mypy does not know
        parameters=[itself, *others], return_annotation=returned
    )


def refused(answer: Answer) -> ApiError:
    """Return the refusal that an answer is."""
    return errors.refusal(
        status=answer.status, headers=answer.headers, body=decoded(answer.content)
    )


def decoded(content: bytes) -> Any:
    """Return JSON decoded, or None where it is none."""
    try:
        return json.loads(content)
    except ValueError:
        return None
