"""A price that changes after a job was submitted changes nothing of that job, however it ends."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from budgets.models import Entry, Hold
from genie.core import metrics
from inference.engine import Engine
from jobs import ledger_check, parking, prices, registry, services, sweep
from jobs.claims import Claimed
from jobs.models import Job
from jobs.moves import Requeue
from jobs.parking import Cursor
from jobs.runner import Runner, RunnerConfig
from jobs.states import JobState, Mode
from jobs.stream import Writer
from tests import builders

# Real commits: a runner ends jobs on threads of its own.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_server", "tickets"),
]

RATES = {"prompt": 100_000_000, "completion": 400_000_000}  # 100 and 400 micro-credits a token
PROMPT, MOST = 10, 16
HOLD = 100 * PROMPT + 400 * MOST

_MODELS = """
[[models]]
id = "{id}"
modality = "chat"
backend = "echo"
context_tokens = 8192
max_output_tokens = 4096
capabilities = ["stream"]
price = {{ version = "another", prompt = "{rate}", completion = "{rate}" }}
"""

Reprice = Callable[..., None]


@pytest.fixture
def reprice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reprice]:
    """Give every process of this machine another models file."""

    def change(rate: str, *, model: str = "echo-chat") -> None:
        path = tmp_path / "models.toml"
        path.write_text(_MODELS.format(id=model, rate=rate), "utf-8")
        monkeypatch.setattr(settings, "GENIE_MODELS_FILE", path)
        registry.models.cache_clear()

    yield change
    monkeypatch.undo()
    registry.models.cache_clear()


# Far below what the job was submitted at, free, and a hundred times as much: far above its hold.
changed = pytest.mark.parametrize("rate", ["0.000001", "0", "40000"])


def submitted(account: Any, **attributes: Any) -> Claimed:
    """Return the claim of a job that was submitted at RATES."""
    return builders.make_running_job(
        account, price_rates=RATES, estimate_microcredits=HOLD, **attributes
    )


def alarms() -> tuple[float, float]:
    """Return how often a job has used, or asked for, more than its hold."""
    return metrics.overrun._value.get(), metrics.budget_overrun._value.get()


def charged(job_id: uuid.UUID) -> int:
    """Return what a job was charged, once its row, its entry and its hold agree on that."""
    job = Job.objects.get(id=job_id)
    assert job.cost_microcredits is not None
    assert Entry.objects.get(reference=job_id, kind="settle").amount == job.cost_microcredits
    assert Hold.objects.get(reference=job_id).closed_at is not None
    assert ledger_check.verify().is_clean
    return job.cost_microcredits


def worth(*, prompt: int, completion: int) -> int:
    return 100 * prompt + 400 * completion


class TestAPriceThatChanges:
    @changed
    def test_is_not_what_a_worker_charges_that_reads_it(
        self, account: Any, reprice: Reprice, rate: str
    ) -> None:
        claimed = submitted(account)
        before = alarms()

        reprice(rate)
        run(claimed)

        job = Job.objects.get()
        assert job.state == JobState.COMPLETED, job.error
        assert job.completion_tokens > 0
        assert charged(job.id) == worth(prompt=job.prompt_tokens, completion=job.completion_tokens)
        assert alarms() == before

    @changed
    def test_is_not_what_a_claim_after_it_carries(
        self, account: Any, reprice: Reprice, rate: str
    ) -> None:
        builders.make_job(account, price_rates=RATES, price_version="old")

        reprice(rate)
        (claimed,) = builders.claim()

        assert claimed.price == prices.kept(
            "old", '{"prompt": 100000000, "completion": 400000000}', model="x"
        )

    @changed
    def test_is_not_what_a_cancelled_stream_pays(
        self, account: Any, reprice: Reprice, rate: str
    ) -> None:
        claimed = submitted(account, mode=Mode.STREAM)
        Job.objects.update(completion_tokens=5)
        services.requeue_many([Requeue(job_id=claimed.job_id, attempt=1, reason="lost", delay_s=0)])

        reprice(rate)
        services.cancel(claimed.job_id, organization_id=None, reason="Enough.")

        assert charged(claimed.job_id) == worth(prompt=0, completion=5)

    @changed
    @pytest.mark.parametrize(
        ("limits", "state"),
        [({"max_attempts": 1}, JobState.FAILED), ({"run_limit_s": 10.0}, JobState.TIMEOUT)],
        ids=["lost", "overdue"],
    )
    def test_is_not_what_a_stream_pays_that_the_sweep_ends(
        self, account: Any, reprice: Reprice, rate: str, limits: dict[str, Any], state: JobState
    ) -> None:
        claimed = submitted(account, mode=Mode.STREAM, **limits)
        Job.objects.update(completion_tokens=5, lease_expires_at="2999-01-01T00:00Z")
        if state is JobState.FAILED:
            Job.objects.update(lease_expires_at="2000-01-01T00:00Z")

        reprice(rate)
        with builders.later("31 seconds"):
            sweep.run_once()

        assert Job.objects.get().state == state
        assert charged(claimed.job_id) == worth(prompt=0, completion=5)

    def test_may_go_with_its_model(self, account: Any, reprice: Reprice) -> None:
        claimed = submitted(account, mode=Mode.STREAM, max_attempts=1)
        Job.objects.update(completion_tokens=5)

        reprice("1", model="another-chat")
        with builders.later("31 seconds"):
            sweep.run_once()

        assert charged(claimed.job_id) == worth(prompt=0, completion=5)

    @changed
    def test_is_not_what_a_job_pays_that_was_parked_meanwhile(
        self, account: Any, reprice: Reprice, rate: str
    ) -> None:
        builders.cap_org(account, HOLD)
        first = builders.make_job(account, price_rates=RATES, estimate_microcredits=HOLD)
        parked = builders.make_parked_job(account, price_rates=RATES, estimate_microcredits=HOLD)

        reprice(rate)
        services.cancel(first.id, organization_id=None, reason="Make room.")
        parking.unpark(cursor=Cursor())
        assert Hold.objects.get(reference=parked.id).amount == HOLD
        (claimed,) = builders.claim()
        run(claimed)

        job = Job.objects.get(id=parked.id)
        assert charged(parked.id) == worth(
            prompt=job.prompt_tokens, completion=job.completion_tokens
        )


class TestAJobsPrice:
    @pytest.mark.parametrize(
        "change",
        [
            "price_version = 'x'",
            "price_rates = '{}'",
            "price_rates = NULL",
            "estimate_microcredits = estimate_microcredits + 1",
        ],
    )
    def test_never_changes_whoever_writes(self, account: Any, change: str) -> None:
        builders.make_job(account)

        with (
            pytest.raises(IntegrityError, match="priced when it was submitted"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE jobs_job SET {change}")  # noqa: S608 - the cases above

    def test_is_todays_for_a_row_of_before_rates_were_kept(
        self, account: Any, reprice: Reprice
    ) -> None:
        claimed = submitted(account)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs_job DISABLE TRIGGER jobs_guard_price")
            cursor.execute("UPDATE jobs_job SET price_rates = NULL")
            cursor.execute("ALTER TABLE jobs_job ENABLE TRIGGER jobs_guard_price")
        services.requeue_many(
            [Requeue(job_id=claimed.job_id, attempt=1, reason="drained", delay_s=0)]
        )

        reprice("0.5")
        (again,) = builders.claim()

        assert again.price == prices.of_model("echo-chat")
        assert again.price.version == "another"


def run(claimed: Claimed) -> None:
    """Let a worker that has just started, with today's models file, run the job to its end."""
    config = RunnerConfig(
        worker="worker-b",
        slots={"chat": 1},
        models=None,
        lease_s=30.0,
        heartbeat_s=10.0,
        drain_s=30.0,
    )
    runner = Runner(config, engine=Engine(registry.models()), writer=Writer())
    runner.start()
    runner.run(claimed)
    runner.close()
