"""The database refuses impossible jobs and rewritten history, whoever writes: around the ORM."""

import dataclasses
import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from genie.tenants import services as tenants
from jobs.models import Attempt, Job, JobEvent
from jobs.states import TERMINAL, TRANSITIONS, JobState
from tests import builders

pytestmark = pytest.mark.django_db

_MOVES = [(source, target) for source in JobState for target in JobState if source is not target]
_ALLOWED = [(source, target) for source, target in _MOVES if target in TRANSITIONS[source]]
_FORBIDDEN = [(source, target) for source, target in _MOVES if target not in TRANSITIONS[source]]

# What a row must have in each state for the CHECK constraints, so that the trigger alone decides.
_SHAPES = {
    JobState.QUEUED: "lease_expires_at = NULL, completed_at = NULL, cost_microcredits = NULL,"
    " result = NULL, error = NULL",
    JobState.RUNNING: "lease_expires_at = now(), attempt = greatest(attempt, 1), completed_at = NULL,"
    " cost_microcredits = NULL, result = NULL, error = NULL",
    JobState.COMPLETED: "lease_expires_at = NULL, completed_at = now(), cost_microcredits = 0,"
    " result = '{}', error = NULL",
}
_ENDED_OTHERWISE = "lease_expires_at = NULL, completed_at = now(), cost_microcredits = 0, result = NULL, error = '{}'"


def run(statement: str, *values: Any) -> int:
    """Run one statement by itself, without the ORM; return how many rows it touched."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return int(cursor.rowcount)


def move(job_id: uuid.UUID, state: JobState) -> int:
    """Write a state and all that belongs to it."""
    shape = _SHAPES.get(state, _ENDED_OTHERWISE)
    return run(f"UPDATE jobs_job SET state = %s, {shape} WHERE id = %s", state, job_id)  # noqa: S608 - constants


def job_in(state: JobState) -> uuid.UUID:
    """Return a job that came to a state by the services."""
    if state is JobState.QUEUED:
        return builders.make_job().id
    if state is JobState.RUNNING:
        return builders.make_running_job().job_id
    return builders.make_ended_job(state=state).id


class TestStates:
    @pytest.mark.parametrize(("source", "target"), _ALLOWED)
    def test_a_move_of_the_table_is_let_through(self, source: JobState, target: JobState) -> None:
        job_id = job_in(source)

        assert move(job_id, target) == 1
        assert Job.objects.get(id=job_id).state == target

    @pytest.mark.parametrize(("source", "target"), _FORBIDDEN)
    def test_any_other_move_is_refused(self, source: JobState, target: JobState) -> None:
        job_id = job_in(source)

        with pytest.raises(IntegrityError):
            move(job_id, target)

        assert Job.objects.get(id=job_id).state == source

    @pytest.mark.parametrize("state", sorted(TERMINAL))
    @pytest.mark.parametrize(
        "change",
        [
            "worker = 'other'",
            "cost_microcredits = 1",
            "completion_tokens = completion_tokens + 1",
            "webhook_url = 'https://example.com/'",
            "attempt = attempt + 1",
        ],
    )
    def test_an_ended_job_never_changes(self, state: JobState, change: str) -> None:
        job_id = job_in(state)

        with pytest.raises(IntegrityError, match="never changes"):
            run(f"UPDATE jobs_job SET {change} WHERE id = %s", job_id)  # noqa: S608 - constants

    def test_an_update_that_changes_nothing_is_let_through(self) -> None:
        assert run("UPDATE jobs_job SET state = state WHERE id = %s", job_in(JobState.FAILED)) == 1

    def test_an_unknown_state_is_refused(self) -> None:
        with pytest.raises(IntegrityError):
            run("UPDATE jobs_job SET state = 'paused' WHERE id = %s", job_in(JobState.RUNNING))

    def test_attempts_only_count_up(self) -> None:
        job_id = job_in(JobState.RUNNING)

        with pytest.raises(IntegrityError, match="attempts only count up"):
            run("UPDATE jobs_job SET attempt = attempt - 1 WHERE id = %s", job_id)


class TestInsert:
    @pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.QUEUED}))
    def test_a_job_begins_as_queued(self, state: JobState) -> None:
        row = Job.objects.filter(id=job_in(state)).values().get()
        row["id"] = uuid.uuid4()

        with pytest.raises(IntegrityError, match="begins as queued"), transaction.atomic():
            Job(**row).save(force_insert=True)

    def test_an_estimate_is_not_negative(self) -> None:
        row = Job.objects.filter(id=job_in(JobState.QUEUED)).values().get()
        row |= {"id": uuid.uuid4(), "estimate_microcredits": -1}

        with (
            pytest.raises(IntegrityError, match="job_cost_within_estimate"),
            transaction.atomic(),
        ):
            Job(**row).save(force_insert=True)


class TestRow:
    @pytest.mark.parametrize(
        ("state", "change", "constraint"),
        [
            (JobState.RUNNING, "lease_expires_at = NULL", "job_running_has_lease"),
            (JobState.QUEUED, "lease_expires_at = now()", "job_running_has_lease"),
            (JobState.RUNNING, "attempt = max_attempts + 1", "job_attempt_within_max"),
            (JobState.QUEUED, "cost_microcredits = 0", "job_terminal_has_end_and_cost"),
            (JobState.RUNNING, "completed_at = now()", "job_terminal_has_end_and_cost"),
            (JobState.RUNNING, "result = '{}'", "job_result_only_when_completed"),
            (JobState.QUEUED, "error = '{}'", "job_error_when_ended_otherwise"),
            (JobState.RUNNING, "prompt_tokens = -1", "job_tokens_not_negative"),
            (JobState.QUEUED, "mode = 'later'", "job_mode_known"),
        ],
    )
    def test_an_impossible_combination_is_refused(
        self, state: JobState, change: str, constraint: str
    ) -> None:
        job_id = job_in(state)

        with pytest.raises(IntegrityError, match=constraint):
            run(f"UPDATE jobs_job SET {change} WHERE id = %s", job_id)  # noqa: S608 - constants

    @pytest.mark.parametrize(
        ("cost", "fits"), [(0, True), (1000, True), (1001, False), (-1, False)]
    )
    def test_the_cost_is_within_the_estimate(self, cost: int, *, fits: bool) -> None:
        job_id = job_in(JobState.RUNNING)
        statement = (
            "UPDATE jobs_job SET state = 'failed', completed_at = now(), lease_expires_at = NULL,"
            " error = '{}', cost_microcredits = %s WHERE id = %s"
        )

        assert _succeeds(statement, cost, job_id) is fits

    def test_a_completed_job_needs_a_result(self) -> None:
        job_id = job_in(JobState.RUNNING)

        with pytest.raises(IntegrityError, match="job_result_only_when_completed"):
            run(
                "UPDATE jobs_job SET state = 'completed', completed_at = now(), cost_microcredits = 0,"
                " lease_expires_at = NULL WHERE id = %s",
                job_id,
            )

    def test_an_organisation_with_jobs_cannot_be_deleted(self) -> None:
        alone = tenants.create_organization("alone")
        account = dataclasses.replace(builders.make_account(), organization_id=alone.id)
        builders.make_job(account)

        run("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="jobs_job"):
            run("DELETE FROM tenants_organization WHERE id = %s", alone.id)


class TestHistory:
    @pytest.mark.parametrize(
        "change", ["type = 'job.completed'", "attempt = 9", "data = '{\"a\": 1}'", "at = now()"]
    )
    def test_events_are_append_only(self, change: str) -> None:
        job = builders.make_job()

        with pytest.raises(IntegrityError, match="append-only"):
            run(f"UPDATE jobs_jobevent SET {change} WHERE job_id = %s", job.id)  # noqa: S608 - constants

        assert JobEvent.objects.get(job=job).type == "job.queued"

    def test_a_number_names_one_attempt(self) -> None:
        claimed = builders.make_running_job()

        with pytest.raises(IntegrityError, match="attempt_once_per_number"), transaction.atomic():
            Attempt.objects.create(job_id=claimed.job_id, number=1, worker="ghost")

    def test_attempts_count_from_one(self) -> None:
        job = builders.make_job()

        with pytest.raises(IntegrityError, match="attempt_from_one"), transaction.atomic():
            Attempt.objects.create(job=job, number=0, worker="ghost")


def _succeeds(statement: str, *values: Any) -> bool:
    try:
        run(statement, *values)
    except IntegrityError:
        return False
    return True
