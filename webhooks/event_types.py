"""The native events that an endpoint may subscribe to; pure.

Names are dot-delimited and in the past tense. Other parts publish under these names; a test compares
them with what jobs and budgets say.
"""

from enum import StrEnum


class EventType(StrEnum):
    """What can be subscribed to."""

    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    JOB_TIMEOUT = "job.timeout"
    # Of a job that names the endpoint in Bifrost's contract; an endpoint that subscribes to these
    # alone hears of no other jobs, and of none in the native words.
    ASYNC_JOB_COMPLETED = "async_job.completed"
    ASYNC_JOB_FAILED = "async_job.failed"
    BUDGET_NEAR_CAP = "budget.near-cap"
    BUDGET_CAP_HIT = "budget.cap-hit"
    WEBHOOK_DISABLED = (
        "webhook.disabled"  # an endpoint of the organisation was disabled for failing
    )


TEST = "webhook.test"  # sent by the test action alone; nobody subscribes to it
