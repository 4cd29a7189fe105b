"""The native events that an endpoint may subscribe to; pure.

Names are dot-delimited and in the past tense. Other parts publish under these names; a test compares
them with what jobs and budgets say.
"""

from enum import StrEnum


class EventType(StrEnum):
    """What can be subscribed to."""

    JOB_COMPLETED = "job.completed"  # a job has ended with a result
    JOB_FAILED = "job.failed"  # a job has ended with an error
    JOB_CANCELLED = "job.cancelled"  # a job was cancelled, or its caller went away
    JOB_TIMEOUT = "job.timeout"  # a job passed its deadline to start or to run
    # Of a job that names the endpoint in Bifrost's contract; an endpoint that subscribes to these
    # alone hears of no other jobs, and of none in the native words.

    ASYNC_JOB_COMPLETED = "async_job.completed"  # a job that names it, by Bifrost, has a result
    ASYNC_JOB_FAILED = "async_job.failed"  # a job that names it, by Bifrost, has ended without one
    BUDGET_NEAR_CAP = "budget.near-cap"  # an allowed request has left a cap nearly used up
    BUDGET_CAP_HIT = "budget.cap-hit"  # a request was refused by a cap, or allowed past it
    WEBHOOK_DISABLED = "webhook.disabled"  # another endpoint was disabled for failing


TEST = "webhook.test"  # sent by the test action alone; nobody subscribes to it
