"""Runs one request for several answers as several requests, and tells their answers as one.

The answers are made side by side and told one after another: of the first that is not complete
every word as it comes, of the others when it is their turn. So what is told depends on the answers
alone and not on which was faster, and a second attempt tells the same.
"""

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence

from inference import scripts
from inference.errors import InferenceError
from inference.ports import Handle, Listener
from inference.types import (
    ChatRequest,
    ChatResult,
    ChoicesResult,
    CompletionRequest,
    Result,
    TokenLogprob,
    Usage,
)

Generated = ChatRequest | CompletionRequest
Submit = Callable[[Generated, Listener], Handle]


class Fanout:
    """One request for several answers while it runs. Any thread may call it."""

    def __init__(self, request: Generated, listener: Listener) -> None:
        self._branches = [_Branch(self, one) for one in singles(request)]
        self._shared = request.n  # neighbours with the same prompt
        self._listener = listener
        self._lock = threading.RLock()
        self._turn = 0  # the branch that is told as it comes
        self._length = 0  # of the script that was told
        self._base = 0  # where the script of this branch begins
        self._marks = ""  # of choices that have said nothing yet
        self._is_done = False
        self._is_cancelled = False

    @property
    def usage(self) -> Usage:
        """The work done so far; a prompt that several share counts once."""
        found = [branch.usage for branch in self._branches]
        prompts = (found[i : i + self._shared] for i in range(0, len(found), self._shared))
        return Usage(
            prompt_tokens=sum(max(one.prompt_tokens for one in group) for group in prompts),
            completion_tokens=sum(one.completion_tokens for one in found),
        )

    def start(self, submit: Submit) -> "Fanout":
        """Submit all requests; returns itself as their handle."""
        for branch in self._branches:
            branch.handle = submit(branch.request, branch)
        if self._is_done or self._is_cancelled:  # while they were submitted
            self.cancel()
        return self

    def cancel(self) -> None:
        """Ask for the end of all answers; the first that ends ends the request."""
        self._is_cancelled = True
        for branch in self._branches:
            if branch.handle is not None:
                branch.handle.cancel()

    def told(self, branch: "_Branch", text: str, logprobs: Sequence[TokenLogprob]) -> None:
        """Take more of one answer."""
        with self._lock:
            if self._branches[self._turn] is branch and not self._is_done:
                self._tell(text, logprobs)
            else:
                branch.held += text
                branch.held_logprobs += logprobs

    def ended(self, outcome: Result | InferenceError) -> None:
        """Take the end of one answer; an error is the end of all."""
        with self._lock:
            if self._is_done:
                return
            if isinstance(outcome, InferenceError):
                self._is_done = True
                result: ChoicesResult | InferenceError = outcome
            elif self._take_turns():
                self._is_done = True
                result = self._result()
            else:
                return
        if isinstance(result, InferenceError):
            self.cancel()
        self._listener.on_done(result, usage=self.usage)

    def _take_turns(self) -> bool:
        """Tell of the next answers what was held; tell whether all are complete."""
        while self._branches[self._turn].result is not None:
            if self._turn + 1 == len(self._branches):
                if self._marks:
                    self._tell("", ())
                return True
            self._turn += 1
            self._marks += scripts.CHOICE
            self._base = self._length + len(self._marks)
            branch = self._branches[self._turn]
            if branch.held:
                self._tell(branch.held, branch.held_logprobs)
        return False

    def _tell(self, text: str, logprobs: Sequence[TokenLogprob]) -> None:
        text, self._marks = self._marks + text, ""
        self._length += len(text)
        self._listener.on_delta(
            text,
            completion_tokens=self.usage.completion_tokens,
            logprobs=[dataclasses.replace(one, end=one.end + self._base) for one in logprobs],
        )

    def _result(self) -> ChoicesResult:
        choices = [branch.result for branch in self._branches if branch.result is not None]
        return ChoicesResult(choices=tuple(choices), usage=self.usage)


class _Branch:
    """The listener of one answer."""

    def __init__(self, fanout: Fanout, request: Generated) -> None:
        self.request = request
        self.handle: Handle | None = None
        self.result: ChatResult | None = None
        self.held = ""  # not its turn yet
        self.held_logprobs: list[TokenLogprob] = []
        self._usage = Usage()
        self._fanout = fanout

    @property
    def usage(self) -> Usage:
        """The work done for this answer."""
        handle = self.handle
        return self._usage if self._usage.total_tokens or handle is None else handle.usage

    def on_delta(
        self,
        text: str,
        *,
        completion_tokens: int,  # noqa: ARG002 - the port's signature
        logprobs: Sequence[TokenLogprob] = (),
    ) -> None:
        """Hand text on."""
        self._fanout.told(self, self._clean(text), logprobs)

    def on_progress(self, percent: int) -> None:
        """Take what answers have none of."""

    def on_done(self, outcome: Result | InferenceError, *, usage: Usage) -> None:
        """Hand the end on."""
        self._usage = usage
        if isinstance(outcome, ChatResult):
            self.result = dataclasses.replace(outcome, text=scripts.clean(outcome.text))
        self._fanout.ended(outcome)

    def _clean(self, text: str) -> str:
        """Take marks out of a plain answer, which by itself may have any character."""
        has_marks = isinstance(self.request, ChatRequest) and self.request.tool_use is not None
        return text if has_marks else scripts.clean(text)


def is_for_several(request: Generated) -> bool:
    """Tell whether a request asks for more than one answer."""
    prompts = len(request.prompts) if isinstance(request, CompletionRequest) else 1
    return request.n * prompts > 1


def singles(request: Generated) -> Iterator[Generated]:
    """Yield the requests for one answer each that a request for several is made of."""
    if isinstance(request, CompletionRequest):
        for number, prompt in enumerate(request.prompts):
            yield from _answers(
                dataclasses.replace(request, prompts=(prompt,)), first=number * request.n
            )
    else:
        yield from _answers(request, first=0)


def _answers(request: Generated, *, first: int) -> Iterator[Generated]:
    for number in range(first, first + request.n):
        yield dataclasses.replace(
            request,
            n=1,
            request_id=f"{request.request_id}.{number}",
            sampling=dataclasses.replace(
                request.sampling, seed=seed_of(request.sampling.seed, number)
            ),
        )


def seed_of(seed: int | None, number: int) -> int | None:
    """Return the seed of an answer by its number; the first has the request's own.

    A hash rather than a sum, or the second answer of one seed would be the first of the next.
    """
    if seed is None or number == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
