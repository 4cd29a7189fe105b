"""What asks to become a job, and what its caller is told. Values; decides nothing."""

import dataclasses
import datetime as dt
import uuid

from genie.core import errors
from jobs.job_views import Parked
from jobs.moves import NewJob


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A validated, priced request that asks to become a job."""

    job: NewJob
    idempotency_key: str | None = None
    body_digest: bytes = b""  # SHA-256 of the endpoint and the body
    park_limit_s: float | None = None  # where a cap refuses it: so long to start; None: refuse
    # Why it cannot become a job of its own; it may still be answered with the one that its
    # idempotency key names, for what has changed since does not concern that one.
    refusal: errors.GenieError | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A committed job. ``replayed``: an earlier request with the same idempotency key made it."""

    job_id: uuid.UUID
    replayed: bool = False
    created_at: dt.datetime | None = None  # None for a replay: read the job
    queue_position: int | None = None  # 1 is next; None when it was not asked for
    budget_remaining: int | None = None  # micro-credits, where the application wants to be warned
    parked: Parked | None = None  # it has no place in its queue until there is room
