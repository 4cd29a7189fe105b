"""The keeper of one worker process: renews leases, enforces run limits, hears cancels through the row."""

import logging
import threading
import uuid
from collections.abc import Sequence
from typing import Protocol

from django.db import Error as DatabaseError
from django.db import connection

from genie.core import metrics
from jobs import claims
from jobs.claims import Beat
from jobs.running import RunningJob
from jobs.verdicts import StopReason

logger = logging.getLogger(__name__)

_TICK_S = 0.25  # how often run limits are checked
_BEAT_S = 1.0  # a poll reads progress from the row, so jobs that have come further renew this often


class Host(Protocol):
    """The worker process whose jobs are kept."""

    def running(self) -> int:
        """Return how many jobs run now."""

    def snapshot(self) -> Sequence[RunningJob]:
        """Return the jobs that run now."""

    def runs(self, job_id: uuid.UUID) -> bool:
        """Return whether this job runs now."""


class Keeper:
    """A thread that keeps the jobs of a process theirs, and ends those that have run for too long.

    Args:
        host: The worker process.
        worker: Its name.
        lease_s: Seconds of a lease.
        heartbeat_s: Seconds between two renewals.
        until: Set once the process closes.
    """

    def __init__(
        self, host: Host, *, worker: str, lease_s: float, heartbeat_s: float, until: threading.Event
    ) -> None:
        self._host = host
        self._entry = worker.partition("@")[0]
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._closed = until
        thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)
        self.start = thread.start
        self.join = thread.join

    def _keep(self) -> None:
        since_renewal = 0.0
        while not self._closed.wait(_TICK_S):
            since_renewal += _TICK_S
            if self._host.running():
                metrics.busy_seconds.labels(self._entry).inc(_TICK_S)
            self._stop_overdue()
            if since_renewal >= self._heartbeat_s:
                since_renewal = 0.0
                self._renew(self._host.snapshot())
            elif since_renewal % _BEAT_S == 0:
                self._renew([job for job in self._host.snapshot() if job.percent != job.beaten])
        connection.close()

    def _stop_overdue(self) -> None:
        for job in self._host.snapshot():
            if job.is_overdue():
                job.stop(StopReason.DEADLINE)

    def _renew(self, running: Sequence[RunningJob]) -> None:
        jobs = {job.claimed.job_id: job for job in running}
        if not jobs:
            return
        try:
            renewed = claims.renew([_beat(job) for job in jobs.values()], lease_s=self._lease_s)
        except DatabaseError as error:
            logger.warning("Leases were not renewed: %s", type(error).__name__)
            connection.close()
            return
        for one in renewed:
            job = jobs.pop(one.job_id)
            if one.cancel_requested:
                job.stop(StopReason.CANCEL, "Cancelled.")
        for job in jobs.values():
            if self._host.runs(job.claimed.job_id):  # not merely finished since the snapshot
                job.stop(StopReason.FENCED)


def _beat(job: RunningJob) -> Beat:
    usage, job.beaten = job.usage, job.percent
    return Beat(
        job_id=job.claimed.job_id,
        attempt=job.claimed.attempt,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        parts=usage.parts,
        percent=job.beaten,
    )
