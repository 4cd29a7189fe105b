"""The gauges say what the tables say, each with its labels, and nothing where nobody answers."""

import json
import uuid
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection
from django_celery_results.models import TaskResult
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs import canaries, gauges, scraping, steering
from jobs.gauges import RedisState, SystemState
from jobs.presence import Presence, Report
from jobs.states import Lane
from tests import builders
from tests.integration.webhooks import builders as webhooks
from webhooks.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def read() -> dict[tuple[str, ...], float]:
    """Return every gauge by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for state in (SystemState(), RedisState())
        for family in state.collect()
        for sample in family.samples
    }


class TestJobs:
    def test_queues_by_lane_with_the_age_of_the_oldest(self) -> None:
        account = builders.make_account()
        builders.make_job(account, lane=Lane.SLOW)
        builders.make_job(account, lane=Lane.SLOW)
        builders.make_job(account, queue="image", lane=Lane.INTERACTIVE)

        with builders.later("90 seconds"):
            found = read()

        assert found["genie_queue_jobs", "chat", "slow"] == 2
        assert found["genie_queue_jobs", "chat", "normal"] == 0
        assert found["genie_queue_oldest_seconds", "chat", "slow"] == pytest.approx(90, abs=5)
        assert found["genie_queue_oldest_seconds", "chat", "normal"] == 0
        assert found["genie_queue_jobs", "image", "interactive"] == 1

    def test_what_runs_and_whose_lease_has_lapsed(self) -> None:
        builders.make_running_job()

        assert read()["genie_jobs_running", "chat"] == 1
        assert read()["genie_leases_lapsed",] == 0
        with builders.later("31 seconds"):
            assert read()["genie_leases_lapsed",] == 1

    def test_parked_jobs_are_in_no_queue(self) -> None:
        account = builders.make_account()
        builders.cap_org(account, 1000)
        builders.make_job(account)
        builders.make_parked_job(account)

        found = read()

        assert found["genie_jobs_parked",] == 1
        assert found["genie_queue_jobs", "chat", "normal"] == 1

    def test_a_paused_queue(self) -> None:
        steering.pause("chat")

        found = read()

        assert (found["genie_queue_paused", "chat"], found["genie_queue_paused", "image"]) == (1, 0)


class TestWorkers:
    def test_by_queue_and_by_topology_entry(self) -> None:
        for place, warming in ((1, []), (2, ["image"])):
            report = Report(
                slots=8,
                running=3,
                warming=warming,
                model_bytes={"lite": 100},
                memory_budget_bytes=1000,
            )
            Presence(f"gpu0@host:{place}", ["chat", "image"], report=Report)._upsert(report)
        Presence("webhooks@host:3", ["webhooks"], report=Report)._upsert(Report())

        found = read()

        assert found["genie_workers_ready", "chat"] == 2
        assert found["genie_workers_ready", "image"] == 1
        assert found["genie_workers_ready", "video"] == 0
        assert found["genie_workers_ready", "webhooks"] == 1
        assert found["genie_workers_ready", "maintenance"] == 0
        assert found["genie_worker_slots", "gpu0"] == 16
        assert found["genie_worker_running_jobs", "gpu0"] == 6
        assert found["genie_worker_model_bytes", "gpu0", "lite"] == 200
        assert found["genie_worker_model_budget_bytes", "gpu0"] == 2000
        assert ("genie_worker_slots", "webhooks") not in found

    def test_a_canary_that_waits_and_one_that_was_answered(self) -> None:
        tokens = canaries.take_due(["chat", "image"], every_s=15)
        canaries.answer(tokens["chat"], worker="w")

        with builders.later("40 seconds"):
            found = read()

        assert found["genie_canary_waiting_seconds", "image"] == pytest.approx(40, abs=5)
        assert found["genie_canary_waiting_seconds", "chat"] == 0
        assert found["genie_canary_latency_seconds", "chat"] < 5
        assert ("genie_canary_latency_seconds", "image") not in found


class TestMoney:
    def test_open_holds_and_no_drift_before_the_first_look(self) -> None:
        account = builders.make_account()
        builders.make_job(account, estimate_microcredits=1_500_000)
        builders.make_ended_job(account, queue="image")

        with builders.later("10 seconds"):
            found = read()

        assert found["genie_holds_open",] == 1
        assert found["genie_holds_open_credits",] == 1.5
        assert found["genie_holds_oldest_seconds",] == pytest.approx(10, abs=5)
        assert ("genie_ledger_drift",) not in found

    def test_drift_is_what_the_latest_verification_found(self) -> None:
        for drift in (3, 0, 2):
            TaskResult.objects.create(
                task_id=str(uuid.uuid4()),
                task_name="jobs.verify_ledger",
                status="SUCCESS",
                result=json.dumps({"drift": drift, "open_holds": 0, "settlements": 0}),
            )

        found = read()

        assert found["genie_ledger_drift",] == 2
        assert found["genie_ledger_verified_timestamp_seconds",] > 1_700_000_000


class TestWebhooks:
    def test_what_is_due_and_what_waits_for_another_try(self) -> None:
        webhooks.make_endpoint("https://example.com/hook")
        webhooks.publish()
        (later,) = webhooks.publish()
        Delivery.objects.filter(id=later).update(next_attempt_at="2100-01-01T00:00Z")

        with builders.later("20 seconds"):
            found = read()

        assert found["genie_webhook_deliveries_due",] == 1
        assert found["genie_webhook_deliveries_pending",] == 2
        assert found["genie_webhook_oldest_due_seconds",] == pytest.approx(20, abs=5)
        assert found["genie_webhook_endpoints_failing",] == 0


class TestOutages:
    def test_without_the_database_the_rest_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> Any:
            raise OperationalError

        monkeypatch.setattr(gauges, "_PARTS", (away,))

        found = {name: value for name, value in read().items() if "redis" not in name[0]}

        assert found == {("genie_database_up",): 0}

    def test_without_redis_the_rest_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
        monkeypatch.setattr("genie.core.redis.client", lambda: nobody)

        found = read()

        assert (found["genie_database_up",], found["genie_redis_up",]) == (1, 0)
        assert ("genie_redis_refuses_writes",) not in found

    def test_a_database_that_only_reads_and_a_redis_that_is_full(self, redis_server: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        redis_server.config_set("maxmemory", 1)
        try:
            found = read()
        finally:
            redis_server.config_set("maxmemory", 0)

        assert (found["genie_database_up",], found["genie_database_only_reads",]) == (1, 1)
        assert (found["genie_redis_up",], found["genie_redis_refuses_writes",]) == (1, 1)

    def test_everything_is_there_otherwise(self) -> None:
        found = read()

        assert (found["genie_database_up",], found["genie_database_only_reads",]) == (1, 0)
        assert (found["genie_redis_up",], found["genie_redis_refuses_writes",]) == (1, 0)


class TestRemembering:
    def test_reads_again_only_after_a_moment_that_grows_with_its_cost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        reads = []

        def slow() -> list[Any]:
            reads.append(now[0])
            now[0] += 0.5
            return []

        monkeypatch.setattr(gauges, "_PARTS", (slow,))
        state = SystemState(clock=lambda: now[0])

        state.collect()
        now[0] = 10.4
        state.collect()
        now[0] = 10.6
        state.collect()

        assert reads == [0.0, 10.6]

    def test_an_outage_that_took_long_to_be_noticed_is_not_remembered_for_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, reads = [0.0], list[float]()

        def hang() -> list[Any]:
            reads.append(now[0])
            now[0] += 30
            return []

        monkeypatch.setattr(gauges, "_read", hang)
        state = SystemState(clock=lambda: now[0])
        state.collect()
        now[0] += 1.5

        state.collect()

        assert reads == [0.0, 31.5]


def test_a_scrape_asks_few_questions(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(10):
        SystemState().collect()


def test_the_whole_text_is_one_that_prometheus_reads() -> None:
    text = scraping.of_system().decode()

    assert "# TYPE genie_queue_jobs gauge" in text
    assert 'genie_queue_jobs{lane="normal",queue="chat"} 0.0' in text
    assert "# TYPE genie_http_requests_total counter" in text
