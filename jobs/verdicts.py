"""How an attempt ends that did not complete: in which state, with which code, in which words. Pure."""

import dataclasses
from enum import Enum, auto

from inference.errors import InferenceError, ModelMissing
from inference.types import Result
from jobs import prices
from jobs.claims import Claimed
from jobs.states import FailureCode, JobState


class StopReason(Enum):
    """Why this worker asked the engine to stop an attempt."""

    CANCEL = auto()  # the caller, an operator, or a disconnect
    DEADLINE = auto()  # the run limit has passed
    FENCED = auto()  # another attempt has begun, or the job has ended elsewhere
    DRAIN = auto()  # the worker is stopping
    DIVERGED = auto()  # the stream's readers already have other text


# Those that end the job, whatever the engine says.
FINAL = frozenset({StopReason.CANCEL, StopReason.DEADLINE, StopReason.DIVERGED})

_DIVERGED = (
    "The worker was lost after part of the answer had been streamed, and a second attempt "
    "answered differently; send the request again."
)
# Of the engine, and of jobs.inputs, which speaks before it does.
_TOLD_CODES = frozenset(
    {
        FailureCode.MODEL_LOAD_FAILED,
        FailureCode.OUT_OF_MEMORY,
        FailureCode.INFERENCE_FAILED,
        FailureCode.WORKER_LOST,
        FailureCode.INPUT_FETCH_FAILED,
        FailureCode.INVALID_REQUEST,  # such as a language that the model lacks
    }
)
# Why a job went back to its queue, in its history, by the code of the engine's error.
_REASONS = {"out-of-memory": "out-of-memory", "worker-lost": "device-lost"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The end of a job."""

    state: JobState
    error: dict[str, str]


def of_stop(stop: StopReason, claimed: Claimed, *, message: str) -> Verdict:
    """Return how a job ends that was stopped for one of the ``FINAL`` reasons.

    Args:
        stop: The reason.
        claimed: The job.
        message: What the error of a cancelled job says.
    """
    match stop:
        case StopReason.CANCEL:
            return _verdict(JobState.CANCELLED, FailureCode.CANCELLED, message)
        case StopReason.DEADLINE:
            told = f"The job ran longer than its {claimed.run_limit_s:g} s."
            return _verdict(JobState.TIMEOUT, FailureCode.EXECUTION_TIMEOUT, told)
        case StopReason.DIVERGED:
            return _verdict(JobState.FAILED, FailureCode.WORKER_LOST, _DIVERGED)
        case StopReason.FENCED | StopReason.DRAIN:
            raise ValueError(f"{stop.name} ends no job.")


def of_failure(outcome: Result | InferenceError, claimed: Claimed) -> Verdict:
    """Return how a job ends that the engine gave up; what no caller knows, inference failed."""
    if not isinstance(outcome, InferenceError):
        told = "The engine ended without an answer."
        return _verdict(JobState.FAILED, FailureCode.INFERENCE_FAILED, told)
    code = outcome.code if outcome.code in _TOLD_CODES else FailureCode.INFERENCE_FAILED
    if not isinstance(outcome, ModelMissing):
        return _verdict(JobState.FAILED, code, outcome.message)
    if claimed.kind in prices.MEDIA_UNITS:
        code = FailureCode.COMFYUI_MODEL_MISSING
    # Which model is missing, and in whose words.
    asked_for = str(claimed.request.get("asked_for", claimed.model))
    more = {"model": asked_for, "upstreamError": outcome.message}
    return _verdict(JobState.FAILED, code, outcome.message, **more)


def reason_of(error: InferenceError) -> str:
    """Return why a job goes back to its queue, for its history."""
    return _REASONS.get(error.code, "failed")


def _verdict(state: JobState, code: str, message: str, **more: str) -> Verdict:
    return Verdict(state=state, error={"code": code, "message": message, **more})
