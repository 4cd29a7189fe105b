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

from budgets.gate import OnCapHit
from budgets.types import Payer
from budgets.windows import WINDOWS_OF, Layer, WindowKind, period_of
from jobs import retry
from jobs.states import JobState, Mode
from jobs.sweep import DEADLINE_GRACE_S

Cap: TypeAlias = tuple[Layer, uuid.UUID, WindowKind]
Key: TypeAlias = tuple[Layer, uuid.UUID, WindowKind, str]  # one window in one period
Told: TypeAlias = tuple[object, ...]
Row: TypeAlias = tuple[JobState, int, int | None, bool]  # state, attempt, cost, was it admitted

LEASE_S = 25.0
RUN_LIMIT_S = 603.0  # with the sweep's grace, 605
START_LIMIT_S = 3605.0
PARK_LIMIT_S = 2 * 86_400 + 5.0
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
    parks: bool = False  # rather than to be refused


@dataclasses.dataclass(slots=True, kw_only=True)
class PlainJob:
    """One job."""

    wanted: Wanted
    windows: tuple[Key, ...]  # that its money is held on; none while it is parked
    start_by: dt.datetime
    is_admitted: bool
    created_at: dt.datetime  # as the row has it, to the microsecond
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
    raises: dict[Cap, tuple[int, dt.datetime]] = dataclasses.field(default_factory=dict)
    behaviours: dict[uuid.UUID, OnCapHit] = dataclasses.field(default_factory=dict)
    spent: dict[Key, int] = dataclasses.field(default_factory=dict)
    held: dict[Key, int] = dataclasses.field(default_factory=dict)
    # Above a cap that was lowered, ended its raise or began to block afterwards, or did not block.
    excused: set[Key] = dataclasses.field(default_factory=set)

    def copy(self) -> "Plain":
        """Return another one that may go another way."""
        return dataclasses.replace(
            self,
            jobs={job_id: copy.copy(job) for job_id, job in self.jobs.items()},
            keys=dict(self.keys),
            caps=dict(self.caps),
            raises=dict(self.raises),
            behaviours=dict(self.behaviours),
            spent=dict(self.spent),
            held=dict(self.held),
            excused=set(self.excused),
        )

    # --- the operations ------------------------------------------------------------------------

    def submit(self, wanted: Wanted) -> Told:
        owner = (wanted.payer.organization_id, wanted.key or "")
        known = self.keys.get(owner) if wanted.key else None
        if known is not None:
            if known.digest != wanted.digest:
                return ("reused",)
            return ("replayed", known.job_id)
        blocking = self._blocking(wanted)
        parks = wanted.parks and self._may_fit(wanted)
        if blocking and not parks:
            return ("refused", blocking[0], blocking[2])
        if wanted.key:
            self.keys[owner] = wanted
        job = self.jobs[wanted.job_id] = PlainJob(
            wanted=wanted,
            windows=(),
            start_by=self._after(PARK_LIMIT_S if blocking else START_LIMIT_S),
            is_admitted=False,
            created_at=self.clock,
        )
        if blocking:
            return ("parked", wanted.job_id, blocking[0], blocking[2])
        self._admit(job)
        return ("accepted", wanted.job_id, self._warning(wanted.payer))

    def claim(self, job_id: uuid.UUID) -> None:
        """Follow a claim of Genie, which chooses; it must have been allowed to."""
        job = self.jobs[job_id]
        assert job.state is JobState.QUEUED
        assert job.is_admitted
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
        """Return how many were (re-queued, lost, cancelled, overdue in the queue, overdue running, un-parked)."""
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
        return requeued, lost, cancelled, len(unstarted), len(overdue), self._unpark()

    def set_cap(self, cap: Cap, amount: int | None) -> None:
        self.caps[cap] = amount
        self.raises.pop(cap, None)
        self._excuse()

    def raise_cap(self, cap: Cap, to: int, until: dt.datetime) -> Told:
        base = self.caps.get(cap)
        if base is None or base >= to:
            return ("refused",)
        self.raises[cap] = (to, until)
        self._excuse()
        return ()

    def end_raise(self, cap: Cap) -> None:
        self.raises.pop(cap, None)
        self._excuse()

    def set_on_cap_hit(self, application_id: uuid.UUID, behaviour: OnCapHit) -> None:
        self.behaviours[application_id] = behaviour
        self._excuse()

    def move_clock(self, to: dt.datetime) -> None:
        """Let it be another time, be it an earlier one: raises end, and may count again."""
        self.clock = to
        self._excuse()

    # --- what may be read ----------------------------------------------------------------------

    def counters(self) -> dict[Key, tuple[int, int]]:
        """Return (spent, held) of every window that money was counted in."""
        found = {key: (self.spent[key], self.held[key]) for key in self.held}
        return {key: amounts for key, amounts in found.items() if amounts != (0, 0)}

    def rows(self) -> dict[uuid.UUID, Row]:
        """Return every job as its row says it."""
        return {
            job_id: (job.state, job.attempt, job.cost, job.is_admitted)
            for job_id, job in self.jobs.items()
        }

    def over_their_caps(self) -> set[Key]:
        """Return the windows that admissions have brought above a cap that blocked (I3)."""
        over = {window for window in self.held if self._is_over(window)}
        self.excused &= over
        return over - self.excused

    def is_claimable(self) -> bool:
        """Return whether a claim must bring something."""
        return any(
            job.not_before is None or job.not_before <= self._after(-5)
            for job in self._in(JobState.QUEUED)
            if job.is_admitted
        )

    # --- privately -----------------------------------------------------------------------------

    def _end(self, job: PlainJob, state: JobState, cost: int) -> None:
        job.state, job.cost, job.lease_until = state, cost, None
        for window in job.windows:
            self.held[window] -= job.wanted.amount
            self.spent[window] += cost

    def _admit(self, job: PlainJob) -> None:
        job.windows, job.is_admitted = self._windows(job.wanted.payer), True
        for window in job.windows:
            self.held[window] = self.held.get(window, 0) + job.wanted.amount
            self.spent.setdefault(window, 0)

    def _unpark(self) -> int:
        """Admit what has room, the oldest first, none past an older one that waits at a cap of both.

        What no longer fits under a cap by itself is passed over.
        """
        closed: set[tuple[Layer, uuid.UUID]] = set()
        admitted = 0
        parked = [job for job in self._in(JobState.QUEUED) if not job.is_admitted]
        for job in sorted(parked, key=lambda one: (one.created_at, one.wanted.job_id)):
            if closed & set(job.wanted.payer.subjects()) or not self._may_fit(job.wanted):
                continue
            if blocking := self._blocking(job.wanted):
                closed.add(blocking[:2])
            else:
                self._admit(job)
                admitted += 1
        return admitted

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

    def _blocking(self, wanted: Wanted) -> Key | None:
        """Return the first window in walk order that refuses it."""
        for window in self._windows(wanted.payer):
            cap = self._cap(window) if self._can_block(window) else None
            if cap is not None and (cap == 0 or self._used(window) + wanted.amount > cap):
                return window
        return None

    def _may_fit(self, wanted: Wanted) -> bool:
        """Return whether it would fit if nothing else were counted."""
        caps = [self._cap(one) for one in self._windows(wanted.payer) if self._can_block(one)]
        return all(cap > 0 and wanted.amount <= cap for cap in caps if cap is not None)

    def _warning(self, payer: Payer) -> int | None:
        """Return what is left in the tightest cap, where an application wants answers to say it."""
        behaviours = [self.behaviours.get(subject_id) for _, subject_id in payer.subjects()]
        if OnCapHit.SOFT_WARN not in behaviours:
            return None
        caps = [(self._cap(one), self._used(one)) for one in self._windows(payer)]
        left = [cap - used for cap, used in caps if cap is not None]
        return max(0, min(left)) if left else None

    def _cap(self, window: Key) -> int | None:
        """Return the cap that counts now."""
        raised, until = self.raises.get(window[:3], (0, self.clock))
        return raised if self.clock < until else self.caps.get(window[:3])

    def _can_block(self, window: Key) -> bool:
        return self.behaviours.get(window[1], OnCapHit.BLOCK) is OnCapHit.BLOCK

    def _used(self, window: Key) -> int:
        return self.spent.get(window, 0) + self.held.get(window, 0)

    def _is_over(self, window: Key) -> bool:
        cap = self._cap(window)
        return cap is not None and self._can_block(window) and self._used(window) > cap

    def _excuse(self) -> None:
        """Something else than an admission has changed: what is above its cap now may be."""
        self.excused |= {window for window in self.held if self._is_over(window)}

    def _after(self, seconds: float) -> dt.datetime:
        return self.clock + dt.timedelta(seconds=seconds)
