"""What KEDA asks the database to scale workers by: right, and read from indexes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection

from jobs.models import Job
from jobs.states import Lane
from tests import builders

pytestmark = pytest.mark.django_db

SCALING = Path(__file__).parents[3] / "deploy/kubernetes/components/keda/scaling.yaml"
QUERIES: dict[tuple[str, str], str] = {
    (one["metadata"]["name"].removeprefix("genie-worker-"), trigger["name"]): trigger["metadata"][
        "query"
    ]
    for one in yaml.safe_load_all(SCALING.read_text("utf-8"))
    if one["kind"] == "ScaledObject"
    for trigger in one["spec"]["triggers"]
}
CROWD = 2_000


def ask(workers: str, what: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[workers, what])
        ((value,),) = cursor.fetchall()
        return float(value)


def aged(seconds: int, **fields: Any) -> Job:
    """Return a queued job that has waited for so long."""
    job = builders.make_job()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_job SET queued_at = genie_now() - %s * interval '1 second' WHERE id = %s",
            [seconds, job.id],
        )
    Job.objects.filter(id=job.id).update(**fields)
    return job


def test_there_are_two_questions_for_each_group_of_workers() -> None:
    assert set(QUERIES) == {
        (workers, what)
        for workers in ("chat", "embedding", "media")
        for what in ("oldest-s", "jobs")
    }


def test_an_empty_queue_asks_for_nobody() -> None:
    assert {ask(*one) for one in QUERIES} == {0.0}


def test_the_oldest_job_of_its_own_queues_counts() -> None:
    aged(5)
    aged(40)
    aged(90, queue="video")

    assert ask("chat", "oldest-s") == pytest.approx(40, abs=5)
    assert ask("media", "oldest-s") == pytest.approx(90, abs=5)
    assert ask("embedding", "oldest-s") == 0


def test_batches_may_wait_but_want_workers() -> None:
    aged(5000, lane=Lane.SLOW)
    aged(6000, lane=Lane.NORMAL, lanes_up=1)  # from the slow lane, promoted for its age

    assert ask("chat", "oldest-s") == 0
    assert ask("chat", "jobs") == 2


def test_running_jobs_keep_their_workers_and_parked_ones_ask_for_none() -> None:
    account = builders.make_account()
    builders.cap_org(account, 1000)
    builders.make_running_job(account)
    builders.make_parked_job(account)

    assert ask("chat", "jobs") == 1
    assert ask("chat", "oldest-s") == 0


@pytest.fixture
def crowd() -> None:
    """Have so many jobs wait in other queues that reading all of them costs more than an index."""
    template = builders.make_job()
    others = {"id": "gen_random_uuid()", "queue": "'other-' || n %% 20"}
    columns = [str(field.column) for field in Job._meta.local_concrete_fields]
    values = ", ".join(others.get(column, f'j."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO jobs_job ({names}) SELECT {values}
                FROM jobs_job j, generate_series(1, {CROWD}) AS n WHERE j.id = %s""",  # noqa: S608 - columns and a number
            [template.id],
        )
        cursor.execute("ANALYZE jobs_job")


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("one", sorted(QUERIES))
def test_no_question_reads_the_table_through(one: tuple[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {QUERIES[one]}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Seq Scan on jobs_job" not in plan, plan
    assert "job_claim_order" in plan or "job_model_order" in plan, plan
