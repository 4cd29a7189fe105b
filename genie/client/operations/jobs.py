"""Jobs: look, wait, list, cancel."""

import math
import time

from genie.client.config import Config
from genie.client.errors import JobFailed, NotConfigured, StillRunning
from genie.client.exchanges import Answer, Call, Deadline, Exchange, Pause, sent
from genie.client.operations import reading
from genie.client.retrying import Repeat
from genie.client.types import JobInfo, JobPage

LONGEST_WAIT_S = 60  # that the server grants `Prefer: wait`
SHORTEST_PAUSE_S = 0.1  # between polls that are answered at once


def get(config: Config, /, job_id: str) -> Exchange[JobInfo]:
    """Return a job as it is now.

    Raises:
        NotFound: There is no such job for this organization, or no longer.
    """
    answer = yield from sent(config, _get(job_id))
    return reading.result(JobInfo, answer)


def wait(config: Config, /, job_id: str, *, timeout_s: float | None = None) -> Exchange[JobInfo]:
    """Return a job once it has completed; costs nothing but open connections.

    Args:
        config: The client's.
        job_id: Its id, in any spelling.
        timeout_s: For how long to wait, in seconds; None waits for as long as it takes.

    Raises:
        JobFailed: It failed, was cancelled or timed out.
        StillRunning: It has not ended in time, and goes on.
    """
    job = yield from until_ended(config, job_id, until=Deadline(timeout_s))
    if not job.has_ended:
        raise StillRunning(
            f"Job {job.id} is {job.status} after {timeout_s:g} s, and goes on.",
            job_id=job.id,
            cancelled=False,
        )
    return completed(job)


def until_ended(config: Config, /, job_id: str, *, until: Deadline) -> Exchange[JobInfo]:
    """Return a job once it has ended, or as it is when the deadline has passed."""
    while True:
        wait_s = min(LONGEST_WAIT_S, math.floor(until.left_s()) if until.is_set else LONGEST_WAIT_S)
        began = time.monotonic()
        answer: Answer = yield from sent(config, _get(job_id, wait_s=wait_s), until=until)
        job = reading.result(JobInfo, answer)
        if job.has_ended or not until.left_s():
            return job
        if time.monotonic() - began < wait_s or not wait_s:  # a server that is being stopped
            yield Pause(min(_poll_after_s(answer), until.left_s()))


def completed(job: JobInfo) -> JobInfo:
    """Return a job that has completed.

    Raises:
        JobFailed: It has ended otherwise.
    """
    if job.status == "completed":
        return job
    error = job.error
    raise JobFailed(
        error.message if error else f"The job ended as {job.status}.",
        job_id=job.id,
        status=job.status,
        code=error.code if error else job.status,
        request_id=job.request_id,
    )


def page(  # noqa: PLR0913 - the filters of the route
    config: Config,
    /,
    *,
    status: str | None = None,
    model: str | None = None,
    application: str | None = None,
    created_after: str | int | None = None,
    created_before: str | int | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Exchange[JobPage]:
    """Return a page of the organization's jobs, newest first.

    Args:
        config: The client's.
        status: Only those in this state.
        model: Only those of this model id.
        application: Only those of this application's id.
        created_after: Only those from this time on: Unix seconds or ISO 8601.
        created_before: Only those until this time.
        limit: At most so many, 1 to 200.
        cursor: ``next_cursor`` of the page before.
    """
    wanted = {
        "status": status,
        "model": model,
        "application": application,
        "created_after": created_after,
        "created_before": created_before,
        "limit": limit,
        "cursor": cursor,
    }
    query = {name: str(value) for name, value in wanted.items() if value is not None}
    answer = yield from sent(
        config, Call(method="GET", path="/v1/jobs", query=query, repeat=Repeat.SAFE)
    )
    return reading.result(JobPage, answer)


def cancel(config: Config, /, job_id: str) -> Exchange[JobInfo]:
    """Cancel a job and return it; one that runs stops within a step and costs what was done.

    Raises:
        Conflict: It had already ended.
        NotFound: There is no such job for this organization.
    """
    answer = yield from sent(config, Call(method="POST", path=f"{_path(job_id)}/cancel"))
    return reading.result(JobInfo, answer)


def events_path(job_id: str) -> str:
    """Return the route of a job's events."""
    return f"{_path(job_id)}/events"


def _get(job_id: str, *, wait_s: int = 0) -> Call:
    return Call(
        method="GET",
        path=_path(job_id),
        headers={"Prefer": f"wait={wait_s}"} if wait_s else {},
        wait_s=wait_s,
        repeat=Repeat.SAFE,
    )


def _path(job_id: str) -> str:
    if not job_id or not all(char.isascii() and (char.isalnum() or char == "-") for char in job_id):
        raise NotConfigured(f"{job_id!r} is no id of a job.")
    return f"/v1/jobs/{job_id}"


def _poll_after_s(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return max(SHORTEST_PAUSE_S, float(text) if text.isdigit() else 1.0)
