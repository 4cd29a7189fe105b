"""What each move of a job takes, and what is told of it. ``lifecycle`` makes the moves."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from inference.specs import Unit
from jobs.states import Facade, JobKind, JobState, Mode


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What admission has decided about a job that is about to be inserted."""

    id: uuid.UUID
    organization_id: uuid.UUID
    application_id: uuid.UUID | None
    member_id: uuid.UUID | None
    user_id: uuid.UUID | None
    api_key_id: uuid.UUID | None
    kind: JobKind
    mode: Mode
    queue: str
    lane: int
    requested_model: str
    model: str
    request: dict[str, Any]
    max_attempts: int
    start_limit_s: float
    run_limit_s: float
    price_version: str
    price_rates: Mapping[
        Unit, int
    ]  # micro-credits for one of each unit; what its charge is made of
    estimate_microcredits: int
    webhook_url: str
    webhook_secret: str | None
    webhook_endpoint_id: uuid.UUID | None = (
        None  # a registered endpoint, to be told beside its like
    )
    reply_to: str = ""
    parked_by: str | None = None  # the cap that keeps it out of its queue
    facade: Facade = Facade.GENIE
    asked: dict[str, Any] | None = None  # what the caller sent, where its contract gives it back
    group_id: uuid.UUID | None = None
    result_ttl_s: float | None = None  # how long it can be looked at once it has ended
    work_s: float = 1.0  # how many seconds it is taken to run: what its turn in the queue is for
    start_tag: float = 0.0  # its turn, by virtual time; booked when it is admitted
    generation_endpoint_id: uuid.UUID | None = None  # to be told in inference.net's words
    end_limit_s: float | None = None  # by when it must have ended, from its submission on
    traceparent: str | None = None  # the context of its request's span, where that is traced

    @property
    def input_files(self) -> list[uuid.UUID]:
        """The files that its caller sent; see ``jobs.inputs``."""
        sources = self.request.get("sources", {}).values()
        return [uuid.UUID(one["file"]) for one in sources if "file" in one]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one attempt ended. ``attempt`` fences it: another attempt's row is left alone."""

    job_id: uuid.UUID
    attempt: int
    state: JobState
    cost_microcredits: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    parts: int = 0  # of its price's unit, for media
    result_json: str | None = None  # the sync body as JSON text
    error: dict[str, Any] | None = None
    delta_ends: Sequence[int] | None = None
    first_seq: int = 1
    from_state: JobState = JobState.RUNNING


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job that has just reached a terminal state, with what its webhook and its waiters need."""

    job_id: uuid.UUID
    organization_id: uuid.UUID
    kind: JobKind
    model: str
    state: JobState
    created_at: dt.datetime
    completed_at: dt.datetime
    result_json: str | None
    error: dict[str, Any] | None
    cost_microcredits: int
    prompt_tokens: int
    completion_tokens: int
    parts: int
    webhook_url: str
    webhook_secret: str | None
    webhook_endpoint_id: uuid.UUID | None
    reply_to: str
    facade: Facade
    requested_model: str
    group_id: uuid.UUID | None
    expires_at: dt.datetime | None
    started_at: dt.datetime | None
    generation_endpoint_id: uuid.UUID | None
    admitted: bool  # whether it has a hold to settle; a job that was parked to its end has none
    traceparent: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requeue:
    """One attempt that gives its job back."""

    job_id: uuid.UUID
    attempt: int
    # lost (the lease lapsed), drained (the worker is stopping), failed, out-of-memory, device-lost,
    # stalled (a step or a load did not end), or not-stored (its result could not be).
    reason: str
    delay_s: float
