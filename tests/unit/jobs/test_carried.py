"""A ticket says what it carries, and Flower is told what became of it."""

import threading
import uuid
from collections.abc import Sequence

from celery.events.state import Task
from django.db import OperationalError

from genie.core import ids
from jobs import carrying, events, queue
from jobs.carried import Annotator, Row
from jobs.states import JobKind


def ticket(said: str) -> Task:
    """Return what Flower knows of a ticket that has been taken."""
    return Task(uuid="1", name=queue.TICKET_TASK, kwargs=said, result="None", state="SUCCESS")


class TestText:
    def test_names_every_job_of_a_full_ticket(self) -> None:
        jobs = tuple(ids.new_id() for _ in range(queue.JOBS_PER_TICKET))

        read = carrying.read(carrying.text("chat", jobs))

        assert read == carrying.Carried(queue="chat", job_ids=jobs)

    def test_is_found_by_the_id_that_a_caller_quotes(self) -> None:
        job_id = ids.new_id()
        quoted = events.public_id(job_id, JobKind.CHAT)

        assert quoted.removeprefix("chatcmpl-") in carrying.text("chat", [job_id])

    def test_other_tasks_say_nothing_of_jobs(self) -> None:
        assert carrying.read("{'queue': 'chat', 'token': '1'}") is None
        assert carrying.read(None) is None


class TestAnnotate:
    def test_names_the_job_its_state_and_who_ran_it(self) -> None:
        job_id = ids.new_id()
        rows: dict[uuid.UUID, Row] = {job_id: ("chat", "completed", 2, "gpu0@rack:7")}

        shown = Annotator(lambda _: rows).annotate(ticket(carrying.text("chat", [job_id])))

        public = events.public_id(job_id, JobKind.CHAT)
        assert shown.kwargs == f"chat: {public}"
        assert shown.result == "1 completed"
        assert shown.jobs.startswith(f"{public} completed by gpu0@rack:7 in attempt 2: http")
        assert shown.jobs.endswith(f"/admin/jobs/job/{job_id}/change/")
        assert shown.as_dict()["jobs"] == shown.jobs

    def test_counts_the_jobs_of_a_burst_and_those_that_are_gone(self) -> None:
        first, second, gone = (ids.new_id() for _ in range(3))
        rows: dict[uuid.UUID, Row] = {
            first: ("chat", "running", 1, "a"),
            second: ("chat", "queued", 0, ""),
        }
        said = carrying.text("chat", [first, second, gone])

        shown = Annotator(lambda _: rows).annotate(ticket(said))

        assert shown.kwargs.endswith(" and 2 more")
        assert shown.result == "1 queued, 1 running, 1 unknown"

    def test_a_database_that_is_away_is_asked_once(self) -> None:
        asked: list[Sequence[uuid.UUID]] = []

        def away(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
            asked.append(job_ids)
            raise OperationalError

        annotator, said = Annotator(away), carrying.text("chat", [ids.new_id()])

        shown = [annotator.annotate(ticket(said)) for _ in range(3)]

        assert {one.result for one in shown} == {"the database does not answer"}
        assert {one.kwargs for one in shown} == {said}
        assert len(asked) == 1

    def test_is_asked_on_a_thread_that_may_block(self) -> None:
        threads: list[threading.Thread] = []

        def note(_: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
            threads.append(threading.current_thread())
            return {}

        Annotator(note).annotate(ticket(carrying.text("chat", [ids.new_id()])))

        assert threads != [threading.current_thread()]

    def test_leaves_other_tasks_as_they_are(self) -> None:
        batch = carrying.text("maintenance", [ids.new_id()])

        for said in ("{}", "", batch):
            assert Annotator(lambda _: {}).annotate(ticket(said)).kwargs == said
