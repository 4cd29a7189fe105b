"""One chat request on its way through the batch: tokens in, deltas and one outcome out."""

import dataclasses
import logging
import secrets
from collections.abc import Callable, Collection, Sequence

import tokenizers

from inference.backends.callreading import CallReader
from inference.backends.constraints import Constraint
from inference.backends.detokenizing import IncrementalText
from inference.backends.likelihoods import Likelihoods
from inference.backends.sampling import Recorder
from inference.backends.stops import StopScanner
from inference.errors import GenerationFailed, InferenceError
from inference.fanout import Generated
from inference.ports import Listener
from inference.types import ChatResult, FinishReason, Usage

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an answer must look like, and how it is read."""

    constraint: Constraint | None = None
    calls: CallReader | None = None  # if it may call tools
    likelihoods: Likelihoods | None = None  # if they were asked for
    opening: str = ""  # what the answer begins with, made by nobody


class Chat:
    """A request and its text so far. One thread feeds it; any thread may read usage or cancel.

    Counting: `completion_tokens` are the tokens the model generated up to the end of the answer.
    The end-of-turn token is not among them, for it carries no text; the tokens of a stop string
    are, though the text is cut off before it. `prompt_tokens` count from the first generated
    token on, so a request that never ran costs nothing.
    """

    def __init__(
        self,
        request: Generated,
        listener: Listener,
        *,
        prompt_ids: Sequence[int],
        tokenizer: tokenizers.Tokenizer,
        on_cancel: Callable[["Chat"], None],
        shape: Shape | None = None,
    ) -> None:
        self.request = request
        self.prompt_ids = list(prompt_ids)
        self.seed = _seed_of(request)
        self.is_done = False
        shape = shape or Shape()
        self.constraint = shape.constraint
        self._calls = shape.calls
        self._likelihoods = shape.likelihoods
        self._listener = listener
        self._on_cancel = on_cancel
        self._text = IncrementalText(tokenizer)
        self._stops = StopScanner(request.sampling.stop)
        self._taken = 0  # of the tokens the manager reported
        self._is_cut = False  # a stop string ended the text: what is held back stays in
        self._pieces: list[str] = []
        self._opening = shape.opening
        self._made = 0  # characters of text that tokens made, told or not
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        return self._usage

    @property
    def recorder(self) -> Recorder | None:
        """Where the model's thread notes what it held likely, if anyone asked."""
        return self._likelihoods.recorder if self._likelihoods else None

    @property
    def reservation(self) -> int:
        """The cache entries that it may need at most."""
        return len(self.prompt_ids) + self.request.sampling.max_tokens

    def cancel(self) -> None:
        """Ask for the end of the request."""
        self._on_cancel(self)

    def take(
        self, generated: Sequence[int], *, end_ids: Collection[int], is_last: bool
    ) -> ChatResult | InferenceError | None:
        """Take all tokens generated so far and tell the listener what is new.

        Returns the result if the answer is complete: by its last token, or by a stop string, of
        which the manager knows nothing.
        """
        fresh, self._taken = generated[self._taken :], len(generated)
        pieces, self._opening = [self._opening], ""
        reason = None
        for token_id in fresh:
            reason = self._take_token(token_id, end_ids, pieces)
            if reason is not None:
                break
        if reason is None and is_last:
            reason = FinishReason.LENGTH
        if reason is not None:
            reason = self._take_rest(reason, pieces)
        self._tell(self._script("".join(pieces), is_end=reason is not None))
        if reason is None:
            return None
        if self.constraint is not None and self.constraint.has_failed:
            return GenerationFailed(
                "The schema of the answer became too complex while it was written; make it simpler."
            )
        return self._result(reason)

    def end(self, outcome: ChatResult | InferenceError) -> None:
        """Tell the listener the outcome; only the first one counts."""
        if self.is_done:
            return
        self.is_done = True
        try:
            self._listener.on_done(outcome, usage=self._usage)
        except Exception:  # a listener's fault must not stop the other requests of the batch
            logger.exception("request %s: the listener failed at its end", self.request.request_id)

    def _take_token(
        self, token_id: int, end_ids: Collection[int], pieces: list[str]
    ) -> FinishReason | None:
        if token_id in end_ids:
            self._count(0)
            return FinishReason.STOP
        self._count(1)
        text = self._text.push(token_id)
        self._made += len(text)
        if self._likelihoods:
            self._likelihoods.take(end=self._made, is_complete=bool(text))
        if self._usage.completion_tokens <= self.request.sampling.min_tokens:
            pieces.append(text)  # neither a token nor a stop string ends the answer this early
            return None
        self._scan(text, pieces)
        return FinishReason.STOP if self._is_cut else None

    def _take_rest(self, reason: FinishReason, pieces: list[str]) -> FinishReason:
        """Let out what was held back, unless a stop string ended the answer."""
        if not self._is_cut:
            rest = self._text.flush()
            self._made += len(rest)
            if self._likelihoods:
                self._likelihoods.complete(end=self._made)
            self._scan(rest, pieces)
        if self._is_cut:
            return FinishReason.STOP
        pieces.append(self._stops.flush())
        return reason

    def _script(self, text: str, *, is_end: bool) -> str:
        """Return what the answer's script gains by more text."""
        if self._calls is None:
            return text
        return self._calls.feed(text) + (self._calls.finish() if is_end else "")

    def _result(self, reason: FinishReason) -> ChatResult:
        if self._calls is None:
            text = "".join(self._pieces)
            return ChatResult(
                text=text,
                finish_reason=reason,
                usage=self._usage,
                logprobs=self._likelihoods.within(len(text)) if self._likelihoods else (),
            )
        if self._calls.calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        return ChatResult(
            text=self._calls.content,
            tool_calls=self._calls.calls,
            finish_reason=reason,
            usage=self._usage,
        )

    def _scan(self, text: str, pieces: list[str]) -> None:
        passed, self._is_cut = self._stops.feed(text)
        pieces.append(passed)

    def _count(self, tokens: int) -> None:
        self._usage = Usage(
            prompt_tokens=len(self.prompt_ids),
            completion_tokens=self._usage.completion_tokens + tokens,
        )

    def _tell(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        try:
            self._listener.on_delta(
                text,
                completion_tokens=self._usage.completion_tokens,
                logprobs=self._likelihoods.fresh() if self._likelihoods else (),
            )
        except Exception:
            logger.exception("request %s: the listener failed", self.request.request_id)


def _seed_of(request: Generated) -> int:
    seed = request.sampling.seed
    return secrets.randbits(63) if seed is None else seed
