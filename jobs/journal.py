"""One log line for each job that is accepted, and one for each attempt that ends.

So a request id, which callers quote, leads to a job, and a job to the worker that ran it.
``GENIE_LOG_JOBS=0`` turns them off.
"""

import logging
from collections.abc import Sequence

from genie.core import tracing
from jobs.claims import Claimed
from jobs.submissions import Accepted

logger = logging.getLogger("genie.jobs")


def accepted(answers: Sequence[Accepted]) -> None:
    """Tell of jobs that a request has made; the request's id is bound."""
    if logger.isEnabledFor(logging.INFO):
        for one in answers:
            what = "A repeat was answered with its job" if one.replayed else "A job was accepted"
            logger.info(what, extra={"job": one.job_id})


def attempt_ended(job: Claimed, outcome: str, *, run_s: float) -> None:
    """Tell how a worker's attempt ended: a state of the job, or why it went back to its queue."""
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            "An attempt ended",
            extra={
                "job": job.job_id,
                "attempt": job.attempt,
                "queue": job.queue,
                "model": job.model,
                "outcome": outcome,
                "run_ms": round(run_s * 1000),
                "trace_id": tracing.trace_id_of(job.traceparent),
            },
        )
