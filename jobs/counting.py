"""Counts what becomes of jobs, for Prometheus. Call it once what it tells of is committed; never fails.

Each function costs microseconds and is called once for a job, or once for its first token: never for
each token.
"""

import functools
from collections.abc import Sequence

from genie.core import metrics
from genie.core.errors import GenieError
from jobs import journal
from jobs.claims import Claimed
from jobs.moves import Ended, Ending, Requeue
from jobs.states import Lane
from jobs.submissions import Accepted, Submission

# The client finds the series of a set of labels anew with a dozen calls. Those of a job are few, and
# looked up here for each.
_admissions = functools.cache(metrics.admissions.labels)
_claim_latency = functools.cache(metrics.claim_latency.labels)
_first_token = functools.cache(metrics.time_to_first_token.labels)
_attempts = functools.cache(metrics.attempts.labels)
_run_seconds = functools.cache(metrics.run_seconds.labels)
_ended = functools.cache(metrics.jobs_ended.labels)
_tokens = functools.cache(metrics.tokens.labels)


def admitted(submissions: Sequence[Submission], answers: Sequence[Accepted | GenieError]) -> None:
    """Count what was decided about each submission."""
    for one, answer in zip(submissions, answers, strict=True):
        _admissions(one.job.queue, _decision(answer)).inc()


def _decision(answer: Accepted | GenieError) -> str:
    if isinstance(answer, GenieError):
        return answer.code
    if answer.replayed:
        return "repeated"
    return "accepted" if answer.parked is None else "parked"


def claimed(jobs: Sequence[Claimed]) -> None:
    """Time how long jobs have waited; a later attempt of a job waited for something else."""
    for job in jobs:
        if job.attempt == 1:
            lane = Lane(job.lane).name.lower()
            _claim_latency(job.queue, lane).observe(job.waited_s)


def first_token(job: Claimed, *, run_s: float) -> None:
    """Time a job's first token: what it has waited, and run since."""
    if job.attempt == 1:
        _first_token(job.model).observe(job.waited_s + run_s)


def attempt_recorded(
    job: Claimed, ending: Ending | Requeue, answer: Ended | str | None, *, run_s: float
) -> None:
    """Count a worker's attempt, and write it down, that the database took: what it came to."""
    if answer is None:
        return
    outcome = ending.reason if isinstance(ending, Requeue) else str(ending.state)
    journal.attempt_ended(job, outcome, run_s=run_s)
    _attempts(job.queue, job.model, outcome).inc()
    _run_seconds(job.model).observe(run_s)
    if isinstance(answer, Ended):
        ended([answer])


def ended(jobs: Sequence[Ended]) -> None:
    """Count jobs that have ended, and the tokens that they are charged for."""
    for job in jobs:
        code = job.error["code"] if job.error else ""
        _ended(job.model, str(job.state), code).inc()
        if job.prompt_tokens:
            _tokens(job.model, "prompt").inc(job.prompt_tokens)
        if job.completion_tokens:
            _tokens(job.model, "completion").inc(job.completion_tokens)
