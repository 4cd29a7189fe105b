"""Jobs enter their queues: each with its turn, its row and first event, and the files that it was sent.

In the caller's transaction, which takes their holds before they are inserted.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from genie.core.transactions import Later
from jobs import files, lifecycle, service_times, turns
from jobs.moves import NewJob
from jobs.turns import Entrant, Line


class Entering:
    """Jobs that may enter their queues, once their holds are taken.

    Args:
        jobs: All of them, those too that will be refused.
    """

    def __init__(self, jobs: Sequence[NewJob]) -> None:
        self._entrants = {job.id: _entrant(job) for job in jobs}
        self._asked = turns.Asked(self._entrants.values())

    def ask(self) -> None:
        """Ask what their callers have booked, behind the lock of their counters.

        In a pipeline the answer is not waited for. Asked again, the first answer is dropped.
        """
        self._asked.ask()

    def enter(self, jobs: Sequence[NewJob]) -> tuple[list[NewJob], Later[dt.datetime | None]]:
        """Insert those of the jobs that were taken, the parked ones outside of their queues.

        Returns them as they were inserted, with their turns, and when that was.
        """
        entered = self._with_turns(jobs)
        created = lifecycle.insert_many(entered)
        owners = [(file_id, job.id) for job in entered for file_id in job.input_files]
        if owners:
            files.take_inputs(owners)
        return entered, created

    def _with_turns(self, jobs: Sequence[NewJob]) -> list[NewJob]:
        """Return the jobs, each with its work, and with its turn where it enters its queue now."""
        now = [self._entrants[job.id] for job in jobs if job.parked_by is None]
        tags = turns.book(now, asked=self._asked)
        return [
            dataclasses.replace(
                job,
                work_s=self._entrants[job.id].work_s,
                start_tag=tags.get(job.id, job.start_tag),
            )
            for job in jobs
        ]


def enter(jobs: Sequence[NewJob]) -> None:
    """Insert these jobs, whose money is held already."""
    Entering(jobs).enter(jobs)


def _entrant(job: NewJob) -> Entrant:
    """Return a job as it asks for a turn."""
    return Entrant(
        job_id=job.id,
        line=Line(job.queue, job.lane, job.model),
        organization_id=job.organization_id,
        caller=(job.application_id, job.member_id),
        work_s=service_times.work_s(job.model, job.estimate_microcredits),
    )
