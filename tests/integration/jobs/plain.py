"""Jobs and their money in plain dicts: what the contract says, without locks, SQL or batches.

Every method is one operation at ``clock`` and returns what its caller must be told. Times are exact
here and some milliseconds later in the database: tests step the clock by whole multiples of ten
seconds and choose limits that end on a five, so that the difference decides nothing.
"""

import copy
import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable
from typing import TypeAlias

from budgets.types import Payer
from budgets.windows import WINDOWS_OF, Layer, WindowKind, period_of
from jobs import retry
from jobs.states import JobState, Mode
from jobs.sweep import DEADLINE_GRACE_S

Cap: TypeAlias = tuple[Layer, uuid.UUID, WindowKind]
Key: TypeAlias = tuple[Layer, uuid.UUID, WindowKind, str]  # one window in one period
Told: TypeAlias = tuple[object, ...]

LEASE_S = 25.0
RUN_LIMIT_S = 603.0  # with the sweep's grace, 605
START_LIMIT_S = 3605.0
MODEL = "echo-chat"
COMPLETION_MICROCREDITS_PER_TEN = 4  # of that model, whose tokens are reported in tens here


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A submission."""

    job_id: uuid.UUID
    payer: Payer
    amount: int
    mode: Mode = Mode.ASYNC
    key: str | None = None
    digest: bytes = b""
    webhook: bool = False


@dataclasses.dataclass(slots=True, kw_only=True)
class PlainJob:
    """One job."""

    wanted: Wanted
    windows: tuple[Key, ...]
    start_by: dt.datetime
    state: JobState = JobState.QUEUED
    attempt: int = 0
    max_attempts: int = 4
    not_before: dt.datetime | None = None
    lease_until: dt.datetime | None = None
    run_by: dt.datetime | None = None
    is_cancelled: bool = False  # a cancel was asked for while it ran
    tokens: int = 0  # checkpointed with the heartbeat
    cost: int | None = None


@dataclasses.dataclass(slots=True)
class Plain:
    """All jobs, caps and counters."""

    clock: dt.datetime
    jobs: dict[uuid.UUID, PlainJob] = dataclasses.field(default_factory=dict)
    keys: dict[tuple[uuid.UUID, str], Wanted] = dataclasses.field(default_factory=dict)
    caps: dict[Cap, int | None] = dataclasses.field(default_factory=dict)
    spent: dict[Key, int] = dataclasses.field(default_factory=dict)
    held: dict[Key, int] = dataclasses.field(default_factory=dict)
    lowered: set[Key] = dataclasses.field(default_factory=set)  # above a cap that came later

    def copy(self) -> "Plain":
        """Return another one that may go another way."""
        return dataclasses.replace(
            self,
            jobs={job_id: copy.copy(job) for job_id, job in self.jobs.items()},
            keys=dict(self.keys),
            caps=dict(self.caps),
            spent=dict(self.spent),
            held=dict(self.held),
            lowered=set(self.lowered),
        )

    # --- the operations ------------------------------------------------------------------------

    def submit(self, wanted: Wanted) -> Told:
        owner = (wanted.payer.organization_id, wanted.key or "")
        known = self.keys.get(owner) if wanted.key else None
        if known is not None:
            if known.digest != wanted.digest:
                return ("reused",)
            return ("replayed", known.job_id)
        windows = self._windows(wanted.payer)
        for window in windows:
            if self._blocks(window, wanted.amount):
                return ("refused", window[0], window[2])
        for window in windows:
            self.held[window] = self.held.get(window, 0) + wanted.amount
            self.spent.setdefault(window, 0)
        if wanted.key:
            self.keys[owner] = wanted
        self.jobs[wanted.job_id] = PlainJob(
            wanted=wanted, windows=windows, start_by=self._after(START_LIMIT_S)
        )
        return ("accepted", wanted.job_id)

    def claim(self, job_id: uuid.UUID) -> None:
        """Follow a claim of Genie, which chooses; it must have been allowed to."""
        job = self.jobs[job_id]
        assert job.state is JobState.QUEUED
        assert job.not_before is None or job.not_before <= self._after(5)
        job.state, job.attempt, job.not_before = JobState.RUNNING, job.attempt + 1, None
        job.lease_until, job.run_by = self._after(LEASE_S), self._after(RUN_LIMIT_S)

    def finish(self, job_id: uuid.UUID, attempt: int, state: JobState, cost: int) -> bool:
        job = self.jobs[job_id]
        if job.state is not JobState.RUNNING or job.attempt != attempt:
            return False
        self._end(job, state, cost)
        return True

    def requeue(self, job_id: uuid.UUID, attempt: int, delay_s: float = 0.0) -> bool:
        job = self.jobs[job_id]
        if job.state is not JobState.RUNNING or job.attempt != attempt:
            return False
        job.state, job.lease_until, job.run_by = JobState.QUEUED, None, None
        job.not_before = self._after(delay_s)
        job.max_attempts = max(job.max_attempts, attempt + 1)
        return True

    def renew(self, job_id: uuid.UUID, attempt: int, tokens: int) -> bool:
        job = self.jobs[job_id]
        if job.state is not JobState.RUNNING or job.attempt != attempt:
            return False
        job.lease_until, job.tokens = self._after(LEASE_S), max(job.tokens, tokens)
        return True

    def cancel(self, job_id: uuid.UUID) -> str:
        job = self.jobs[job_id]
        if job.state is JobState.QUEUED:
            self._end(job, JobState.CANCELLED, self._delivered(job))
            return "ended"
        if job.state is JobState.RUNNING:
            job.is_cancelled = True
            return "asked"
        return "terminal"

    def sweep(self) -> Told:
        """Return how many were (re-queued, lost, cancelled, overdue in the queue, overdue running)."""
        requeued = lost = cancelled = 0
        for job in self._in(JobState.RUNNING):
            if job.lease_until is None or job.lease_until >= self.clock:
                continue
            if job.is_cancelled:
                self._end(job, JobState.CANCELLED, self._delivered(job))
                cancelled += 1
            elif job.attempt >= job.max_attempts:
                self._end(job, JobState.FAILED, self._delivered(job))
                lost += 1
            else:
                self.requeue(job.wanted.job_id, job.attempt, retry.delay_s(attempt=job.attempt))
                requeued += 1
        overdue = [
            job
            for job in self._in(JobState.RUNNING)
            if job.run_by and job.run_by < self._after(-DEADLINE_GRACE_S)
        ]
        unstarted = [job for job in self._in(JobState.QUEUED) if job.start_by < self.clock]
        for job in overdue + unstarted:
            self._end(job, JobState.TIMEOUT, self._delivered(job))
        return requeued, lost, cancelled, len(unstarted), len(overdue)

    def set_cap(self, cap: Cap, amount: int | None) -> None:
        self.caps[cap] = amount
        for window in self.held:
            if window[:3] == cap:
                (self.lowered.add if self._is_over(window) else self.lowered.discard)(window)

    # --- what may be read ----------------------------------------------------------------------

    def counters(self) -> dict[Key, tuple[int, int]]:
        """Return (spent, held) of every window that money was counted in."""
        found = {key: (self.spent[key], self.held[key]) for key in self.held}
        return {key: amounts for key, amounts in found.items() if amounts != (0, 0)}

    def rows(self) -> dict[uuid.UUID, tuple[JobState, int, int | None]]:
        """Return (state, attempt, cost) of every job."""
        return {job_id: (job.state, job.attempt, job.cost) for job_id, job in self.jobs.items()}

    def over_their_caps(self) -> set[Key]:
        """Return the windows that are above a cap although nobody lowered it below them (I3)."""
        over = {window for window in self.held if self._is_over(window)}
        self.lowered &= over
        return over - self.lowered

    def is_claimable(self) -> bool:
        """Return whether a claim must bring something."""
        return any(
            job.not_before is None or job.not_before <= self._after(-5)
            for job in self._in(JobState.QUEUED)
        )

    # --- privately -----------------------------------------------------------------------------

    def _end(self, job: PlainJob, state: JobState, cost: int) -> None:
        job.state, job.cost, job.lease_until = state, cost, None
        for window in job.windows:
            self.held[window] -= job.wanted.amount
            self.spent[window] += cost

    def _delivered(self, job: PlainJob) -> int:
        """Return the charge for a lost job: what had reached its caller, never above the hold."""
        if job.wanted.mode is not Mode.STREAM:
            return 0
        return min(job.tokens * COMPLETION_MICROCREDITS_PER_TEN // 10, job.wanted.amount)

    def _in(self, state: JobState) -> Iterable[PlainJob]:
        return [job for job in self.jobs.values() if job.state is state]

    def _windows(self, payer: Payer) -> tuple[Key, ...]:
        return tuple(
            (layer, subject_id, kind, period_of(kind, self.clock.date()))
            for layer, subject_id in payer.subjects()
            for kind in WINDOWS_OF[layer]
        )

    def _blocks(self, window: Key, amount: int) -> bool:
        cap = self.caps.get(window[:3])
        used = self.spent.get(window, 0) + self.held.get(window, 0)
        return cap is not None and (cap == 0 or used + amount > cap)

    def _is_over(self, window: Key) -> bool:
        cap = self.caps.get(window[:3])
        return cap is not None and self.spent[window] + self.held[window] > cap

    def _after(self, seconds: float) -> dt.datetime:
        return self.clock + dt.timedelta(seconds=seconds)
