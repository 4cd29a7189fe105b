"""One running attempt inside a worker: turns the engine's callbacks into stream entries and an ending."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from genie.core import metrics, tracing
from inference.errors import EngineClosed, InferenceError
from inference.ports import Handle
from inference.types import ChatResult, ChoicesResult, MediaResult, Result, TokenLogprob, Usage
from jobs import counting, outcomes, prices, replies, retry, told, verdicts
from jobs.claims import Claimed
from jobs.events import Entry, EntryType
from jobs.moves import Ended, Ending, Requeue
from jobs.narrating import Narrator
from jobs.replies import Outcome
from jobs.states import FailureCode, JobKind, JobState, Mode
from jobs.stream import Writer
from jobs.verdicts import StopReason

logger = logging.getLogger(__name__)

# The text of a job that answers no open stream is told this often at most, in seconds: whoever looks
# on sees it move, and a token costs no message of its own. Telling takes the interpreter lock from the
# model: at 0.1 s and 64 chats at once it took about 4 % of it.
GATHER_S = 0.5
PROGRESS_S = 0.1  # as often at most is told how far a picture, a video or a recording has come


class RunningJob:
    """A claimed job in the engine. Implements ``inference.ports.Listener``.

    Args:
        claimed: The claim.
        earlier: The entries that earlier attempts have delivered; None when they cannot be read,
            and then this attempt leaves the stream alone but for its end.
        writer: Where entries go.
        offload: Runs what may block on a disk or a bucket, away from the engine's threads.
        on_end: Called once, from an engine thread or the offload's, with this attempt's ending
            (None when it is fenced and must change nothing).
    """

    def __init__(
        self,
        claimed: Claimed,
        *,
        earlier: Sequence[Entry] | None,
        writer: Writer,
        offload: Callable[[Callable[[], None]], None],
        on_end: Callable[["RunningJob", Ending | Requeue | None], None],
    ) -> None:
        self.claimed = claimed
        self.span = tracing.NOTHING  # of this attempt, where it is traced
        self._began = time.monotonic()
        self._narrator = Narrator(claimed, earlier=earlier, writer=writer)
        self._offload = offload
        self._on_end = on_end
        self._lock = threading.Lock()
        self._handle: Handle | None = None
        self._stop: StopReason | None = None
        self._stop_message = ""
        self._delivered_at = self._began
        self._has_begun = False  # to answer
        self.percent = 0  # how far a picture, video or recording has come
        self.beaten = 0  # what of it the row has been told

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        handle = self._handle
        return handle.usage if handle is not None else Usage()

    def is_overdue(self) -> bool:
        """Whether the run limit has passed, by this process's clock; the sweep goes by the database's."""
        return self.age_s() > self.claimed.run_limit_s

    def age_s(self) -> float:
        """Return the seconds since the claim."""
        return time.monotonic() - self._began

    def attach(self, handle: Handle) -> None:
        """Take the engine's handle; a stop that was asked for meanwhile is passed on."""
        with self._lock:
            self._handle = handle
            stopped = self._stop is not None
        if stopped:
            handle.cancel()

    def stop(self, reason: StopReason, message: str = "") -> None:
        """Ask the engine to end this attempt; the first reason counts.

        But a fenced attempt may change nothing, and one that diverged may not complete.
        """
        with self._lock:
            if (
                self._stop is None
                or reason is StopReason.FENCED
                or (reason is StopReason.DIVERGED and self._stop is not StopReason.FENCED)
            ):
                self._stop, self._stop_message = reason, message
            handle = self._handle
        if handle is not None:
            handle.cancel()

    def on_delta(
        self,
        text: str,
        *,
        completion_tokens: int,  # noqa: ARG002 - the port's signature
        logprobs: Sequence[TokenLogprob] = (),
    ) -> None:
        """Append new text, after what earlier attempts delivered has been met again."""
        if self._stop is not None:
            return
        if not self._has_begun:
            self._has_begun = True
            counting.first_token(self.claimed, run_s=self.age_s())
        with_offset = self.claimed.kind is JobKind.COMPLETION
        tokens = [told.token_of(one, with_offset=with_offset) for one in logprobs]
        if not self._narrator.take(text, tokens):
            self.stop(StopReason.DIVERGED)
            return
        now = time.monotonic()
        if self.claimed.mode is Mode.STREAM or now - self._delivered_at >= GATHER_S:
            self._delivered_at = now
            self._narrator.flush()

    def on_progress(self, percent: int) -> None:
        """Note how far the work has come, and tell the readers now and then."""
        self.percent = percent
        now = time.monotonic()
        if self._stop is None and now - self._delivered_at >= PROGRESS_S:
            self._delivered_at = now
            self._narrator.progress(percent)

    def on_done(self, outcome: Result | InferenceError, *, usage: Usage) -> None:
        """Turn the engine's outcome into this attempt's ending."""
        if self._stop is not StopReason.FENCED:
            if self.claimed.mode is not Mode.STREAM:
                self._narrator.hold()
            self._narrator.flush()
            if isinstance(outcome, ChatResult | ChoicesResult):
                self._finish_telling(outcome)
        if isinstance(outcome, MediaResult):
            self._offload(lambda: self._on_end(self, self._ending(outcome, usage)))
        else:
            self._on_end(self, self._ending(outcome, usage))

    def announce(self, ended: Ended) -> None:
        """Tell the readers that the terminal state has been committed."""
        entry = Entry(seq=self._narrator.last_seq + 1, type=EntryType.ENDED, state=ended.state)
        outcome = replies.outcome_suffix(_outcome(ended)) if self.claimed.reply_to else ""
        self._narrator.end(entry, outcome=outcome)

    def _finish_telling(self, result: ChatResult | ChoicesResult) -> None:
        if self._stop is not StopReason.DIVERGED and not self._narrator.finish(
            told.script_of(result)
        ):
            self.stop(StopReason.DIVERGED)

    def _ending(self, outcome: Result | InferenceError, usage: Usage) -> Ending | Requeue | None:
        if self._stop is StopReason.FENCED:
            return None
        if not isinstance(outcome, InferenceError) and self._stop is not StopReason.DIVERGED:
            return self._completed(outcome)
        if self._stop is StopReason.DRAIN or isinstance(outcome, EngineClosed):
            return self._given_back("drained", delay_s=0)
        if isinstance(outcome, InferenceError) and self._deserves_another(outcome):
            return self._given_back(verdicts.reason_of(outcome))
        if self._stop is not None and self._stop in verdicts.FINAL:
            verdict = verdicts.of_stop(self._stop, self.claimed, message=self._stop_message)
        else:
            verdict = verdicts.of_failure(outcome, self.claimed)
        return self._end(verdict.state, usage, error=verdict.error)

    def abandon(self, *, reason: str, message: str) -> Ending | Requeue | None:
        """End this attempt without its engine, which may never answer; its later words count nothing.

        Returns what to record: the job goes back to its queue, unless it ran alone; None if the
        attempt is fenced.
        """
        usage = self.usage
        with self._lock:
            stopped, self._stop = self._stop, StopReason.FENCED
        if stopped is StopReason.FENCED:
            return None
        if stopped is not None and stopped in verdicts.FINAL:
            verdict = verdicts.of_stop(stopped, self.claimed, message=self._stop_message)
            return self._end(verdict.state, usage, error=verdict.error)
        if stopped is StopReason.DRAIN or self._may_try_again():
            return self._given_back(reason)
        error = {"code": FailureCode.WORKER_LOST, "message": message}
        streamed = usage.completion_tokens if self.claimed.mode is Mode.STREAM else 0
        return self._end(JobState.FAILED, Usage(completion_tokens=streamed), error=error)

    def _deserves_another(self, error: InferenceError) -> bool:
        return self._stop is None and error.retryable and self._may_try_again()

    def _may_try_again(self) -> bool:
        claimed = self.claimed
        return retry.may_try_again(attempt=claimed.attempt, max_attempts=claimed.max_attempts)

    def _given_back(self, reason: str, *, delay_s: float | None = None) -> Requeue:
        attempt = self.claimed.attempt
        pause_s = retry.delay_s(attempt=attempt) if delay_s is None else delay_s
        return Requeue(job_id=self.claimed.job_id, attempt=attempt, reason=reason, delay_s=pause_s)

    def _completed(self, result: Result) -> Ending | Requeue | None:
        try:
            text = outcomes.result_json(self.claimed, result)
        except outcomes.Fenced:
            return None
        except Exception:  # whatever a storage raises: it has errors of its own
            logger.exception("A result could not be stored", extra={"job": self.claimed.job_id})
            return self._not_stored()
        return self._end(JobState.COMPLETED, result.usage, result_json=text)

    def _not_stored(self) -> Ending | Requeue:
        stop = self._stop
        if stop is not None and stop in verdicts.FINAL:
            verdict = verdicts.of_stop(stop, self.claimed, message=self._stop_message)
            return self._end(verdict.state, Usage(), error=verdict.error)
        if self._may_try_again():
            # The storage or the database may be away for a moment: longer than no pause at all.
            pause_s = retry.delay_s(attempt=self.claimed.attempt + 1)
            return self._given_back("not-stored", delay_s=pause_s)
        error = {"code": "inference-failed", "message": "The result could not be stored."}
        return self._end(JobState.FAILED, Usage(), error=error)

    def _end(
        self,
        state: JobState,
        usage: Usage,
        *,
        result_json: str | None = None,
        error: dict[str, str] | None = None,
    ) -> Ending:
        cost = prices.charge(self.claimed.price, prices.used(self.claimed.kind, usage))
        if cost > self.claimed.estimate_microcredits:  # a defect: the run must stop at its hold
            metrics.overrun.inc()
            logger.error("A job used more than its hold", extra={"job": self.claimed.job_id})
        return Ending(
            job_id=self.claimed.job_id,
            attempt=self.claimed.attempt,
            state=state,
            cost_microcredits=min(cost, self.claimed.estimate_microcredits),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            parts=usage.parts,
            result_json=result_json,
            error=error,
            delta_ends=self._narrator.seams,
            first_seq=self._narrator.first_seq,
        )


def _outcome(ended: Ended) -> Outcome:
    return Outcome(
        state=ended.state,
        completed_at=ended.completed_at,
        cost_microcredits=ended.cost_microcredits,
        prompt_tokens=ended.prompt_tokens,
        completion_tokens=ended.completion_tokens,
        parts=ended.parts,
        error=ended.error,
        result_json=ended.result_json,
    )
