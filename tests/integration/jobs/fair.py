"""The order of a queue in plain lists: what the claim, positions and aging do in SQL, read slowly.

Shares ``scheduling.Bookings`` with the product, which has an oracle of its own; everything about
rows, lines, clocks, lanes, models and attempts is said again here.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Sequence

from jobs import aging
from jobs.scheduling import Bookings, Caller, Weights

SOLO_FROM = 3


@dataclasses.dataclass(slots=True, kw_only=True)
class FairJob:
    """A job in the queue, or taken out of it."""

    id: uuid.UUID
    organization: uuid.UUID
    caller: Caller
    lane: int
    model: str
    work_s: float
    queued_s: float
    tag: float = 0.0
    attempt: int = 0
    lanes_up: int = 0
    state: str = "queued"

    @property
    def place(self) -> tuple[int, float, uuid.UUID]:
        return self.lane, self.tag, self.id


class FairQueue:
    """One queue; ``now_s`` is the wall clock of the test."""

    def __init__(self) -> None:
        self.jobs: dict[uuid.UUID, FairJob] = {}
        self.now_s = 0.0
        self.clocks: dict[int, float] = {}
        self.booked: dict[tuple[int, str, uuid.UUID], dict[Caller, float]] = {}

    def order(self) -> list[FairJob]:
        """Return what waits, next first."""
        waiting = [job for job in self.jobs.values() if job.state == "queued"]
        return sorted(waiting, key=lambda job: job.place)

    def submit(self, batch: Iterable[FairJob]) -> None:
        """Let jobs enter, which find the queue as it was before all of them."""
        batch = list(batch)
        self._book([(job, job.lane) for job in batch])
        self.jobs |= {job.id: job for job in batch}

    def claim(
        self,
        *,
        limit: int,
        idle: bool,
        models: Sequence[str] | None,
        resident: Sequence[str],
        within_s: float,
    ) -> list[FairJob]:
        """Take the best."""

        def key(job: FairJob) -> tuple[int, bool, float, uuid.UUID]:
            stays = not resident and models is None
            near = stays or job.model in resident or job.queued_s <= self.now_s - within_s
            return job.lane, not near, job.tag, job.id

        allowed = [job for job in self.order() if models is None or job.model in models]
        best = sorted(allowed, key=key)[:limit]
        solo = [place for place, job in enumerate(best) if job.attempt + 1 >= SOLO_FROM]
        if solo:
            best = best[: solo[0]] if solo[0] else best[: int(idle)]
        for job in best:
            job.state, job.attempt = "running", job.attempt + 1
            self.clocks[job.lane] = max(self.clocks[job.lane], job.tag)
        return best

    def promote(self, *, aging_s: float) -> None:
        """Move old jobs up a lane."""
        order = self.order()
        moving: list[FairJob] = []
        for lane in (1, 2):
            above = sum(1 for job in order if job.lane == lane - 1 and job.lanes_up)
            old = [
                job
                for job in order
                if job.lane == lane and job.queued_s <= self.now_s - aging_s * (job.lanes_up + 1)
            ]
            moving += old[: max(0, aging.AT_ONCE - above)]
        self._book([(job, job.lane - 1) for job in moving])
        for job in moving:
            job.lane, job.lanes_up = job.lane - 1, job.lanes_up + 1

    def _book(self, entering: Sequence[tuple[FairJob, int]]) -> None:
        lines: dict[tuple[int, str, uuid.UUID], list[FairJob]] = {}
        for job, lane in sorted(entering, key=lambda one: one[0].id):
            lines.setdefault((lane, job.model, job.organization), []).append(job)
        times = {line: self._time(line[0], line[1]) for line in lines}
        for line, jobs in lines.items():
            self.clocks.setdefault(line[0], 0.0)
            booked = self.booked.get(line, {})
            bookings = Bookings(
                times[line],
                booked,
                Weights(),
            )
            for job in jobs:
                job.tag = bookings.book(job.caller, job.work_s)
                booked[job.caller] = bookings.until(job.caller)
            self.booked[line] = booked

    def _time(self, lane: int, model: str) -> float:
        clock = self.clocks.get(lane, 0.0)
        heads = [
            job.tag
            for job in self.order()
            if (job.lane, job.model, job.attempt) == (lane, model, 0)
        ]
        return min([clock, *heads[:1]])
