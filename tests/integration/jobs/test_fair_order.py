"""Random histories of a queue: every claim and every position is the one that plain lists give."""

import dataclasses
import itertools
import uuid
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genie.core import ids
from jobs import admission, aging, selectors, service_times, services
from jobs.claims import Claimed
from jobs.moves import Requeue
from jobs.selectors import JobKey
from jobs.states import Lane
from tests import builders
from tests.builders import Account
from tests.integration.jobs.fair import FairJob, FairQueue

pytestmark = pytest.mark.django_db

MODELS = ["big", "small"]
_numbers = itertools.count(1)

comings = st.tuples(
    st.integers(0, 2), st.integers(0, 1), st.sampled_from(Lane), st.sampled_from(MODELS), st.integers(1, 9)
)  # fmt: skip
some_models = st.lists(st.sampled_from(MODELS), unique=True)


@dataclasses.dataclass(frozen=True)
class Submit:
    batch: list[Any]


@dataclasses.dataclass(frozen=True)
class Claim:
    limit: int
    idle: bool
    models: list[str] | None
    resident: list[str]


@dataclasses.dataclass(frozen=True)
class Back:
    which: int


@dataclasses.dataclass(frozen=True)
class Cancel:
    which: int


@dataclasses.dataclass(frozen=True)
class Wait:
    seconds: int


steps = st.one_of(
    st.builds(Submit, st.lists(comings, min_size=1, max_size=6)),
    st.builds(Claim, st.integers(1, 4), st.booleans(), st.none() | some_models, some_models),
    st.builds(Back, st.integers(0, 9)),
    st.builds(Cancel, st.integers(0, 9)),
    st.builds(Wait, st.integers(1, 50)),
)


class Run:
    """The product and the plain queue, side by side."""

    def __init__(self, accounts: list[Account]) -> None:
        self.queue = f"fair-{next(_numbers)}"
        self.accounts = accounts
        self.plain = FairQueue()
        self.claimed: list[Claimed] = []

    def submit(self, step: Submit) -> None:
        coming = [self._job(*one) for one in step.batch]
        admission.submit_many(
            [
                builders.submission(
                    self.accounts[who], id=job.id, queue=self.queue, lane=job.lane, model=job.model,
                    estimate_microcredits=int(job.work_s), member_id=job.caller[1],
                )
                for job, (who, *_) in zip(coming, step.batch, strict=True)
            ]
        )  # fmt: skip
        self.plain.submit(coming)

    def claim(self, step: Claim) -> None:
        found = builders.claim(
            queue=self.queue, limit=step.limit, models=step.models, resident=step.resident,
            affinity_s=20.0,
        ) if step.idle else []  # fmt: skip
        if step.idle:
            expected = self.plain.claim(
                limit=step.limit, idle=True, models=step.models, resident=step.resident, within_s=20.0
            )  # fmt: skip
            assert [one.job_id for one in found] == [job.id for job in expected]
        self.claimed += found

    def back(self, step: Back) -> None:
        if not self.claimed:
            return
        one = self.claimed.pop(step.which % len(self.claimed))
        back = Requeue(job_id=one.job_id, attempt=one.attempt, reason="lost", delay_s=0.0)
        services.requeue_many([back])
        self.plain.jobs[one.job_id].state = "queued"

    def cancel(self, step: Cancel) -> None:
        if not (order := self.plain.order()):
            return
        job = order[step.which % len(order)]
        services.cancel(job.id, organization_id=None, reason="Enough.")
        job.state = "ended"

    def wait(self, step: Wait) -> None:
        self.plain.now_s += step.seconds
        builders.set_clock(f"{self.plain.now_s} seconds")
        aging.promote()
        self.plain.promote(aging_s=django_settings.GENIE_LANE_AGING_S)

    def check(self) -> None:
        order = self.plain.order()
        keys = [JobKey(job_id=job.id, organization_id=None) for job in order]
        views = [view for view in selectors.jobs_by_key(keys) if view]
        assert [view.queue_position for view in views] == list(range(1, len(order) + 1))
        assert [view.lane for view in views] == [job.lane for job in order]

    def _job(self, who: int, member: int, lane: Lane, model: str, work: int) -> FairJob:
        account = self.accounts[who]
        return FairJob(
            id=ids.new_id(), organization=account.organization_id,
            caller=(account.application_id, uuid.UUID(int=member + 1)), lane=lane.value,
            model=model, work_s=float(work), queued_s=self.plain.now_s,
        )  # fmt: skip


@pytest.fixture
def weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a job's estimate be its seconds."""
    monkeypatch.setattr(service_times, "work_s", lambda _model, estimate: float(estimate))


@pytest.mark.usefixtures("weighed", "redis_server")
def test_every_history_goes_as_the_plain_lists_do() -> None:
    accounts = [builders.make_account() for _ in range(3)]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(steps, min_size=4, max_size=14))
    def go(history: list[Any]) -> None:
        run = Run(accounts)
        builders.set_clock("")
        run.submit(Submit([(0, 0, Lane.NORMAL, "big", 3)] * 3 + [(1, 0, Lane.SLOW, "small", 2)]))
        for step in history:
            getattr(run, type(step).__name__.lower())(step)
            run.check()

    try:
        go()
    finally:
        builders.set_clock("")
