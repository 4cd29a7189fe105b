"""The spans of a job behind its request: its ticket, its wait and its attempts, in the request's trace.

Nothing where OpenTelemetry is not asked for, or the job's request was not traced.
"""

import functools
import uuid
from collections.abc import Callable, Iterable, Mapping

from genie.core import tracing
from genie.core.tracing import Kind, Span, Value
from jobs.claims import Claimed
from jobs.moves import Ended, Ending, NewJob, Requeue


def tickets(jobs: Iterable[NewJob]) -> dict[uuid.UUID, Callable[[], Span]]:
    """Return what begins the spans of these jobs' tickets, by job, for who sends and ends them."""
    return {
        job.id: functools.partial(
            tracing.begin,
            f"ticket {job.queue}",
            kind=Kind.PRODUCER,
            parent=job.traceparent,
            attributes={"messaging.destination.name": job.queue, "genie.job": str(job.id)},
        )
        for job in jobs
        if job.traceparent is not None
    }


def begin_attempt(job: Claimed) -> Span:
    """Tell how long a job has waited, and begin the span of the attempt that was claimed just now."""
    if job.traceparent is None:
        return tracing.NOTHING
    about: Mapping[str, Value] = {
        "genie.job": str(job.job_id),
        "genie.attempt": job.attempt,
        "genie.queue": job.queue,
        "genie.model": job.model,
    }
    if job.attempt == 1:
        tracing.begin(
            f"wait {job.queue}", parent=job.traceparent, attributes=about, ago_s=job.waited_s
        ).end()
    return tracing.begin(
        f"attempt {job.queue}", kind=Kind.CONSUMER, parent=job.traceparent, attributes=about
    )


def end_attempt(span: Span, ending: Ending | Requeue | None, answer: Ended | str | None) -> None:
    """End an attempt's span with what came of it; without an answer it was a ghost's."""
    if span is tracing.NOTHING:
        return
    if ending is None or answer is None:
        span.end(error="fenced")
    elif isinstance(ending, Requeue):
        span.end(attributes={"genie.outcome": ending.reason}, error=ending.reason)
    else:
        span.end(
            attributes={
                "genie.outcome": str(ending.state),
                "gen_ai.usage.input_tokens": ending.prompt_tokens,
                "gen_ai.usage.output_tokens": ending.completion_tokens,
            },
            error=ending.error["code"] if ending.error else None,
        )
