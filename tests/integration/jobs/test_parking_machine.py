"""Random interleavings of parking and all that ends or admits a job, against a plain model.

The model is the rule as ADR 14 says it: oldest first, who is refused closes that cap for those
behind, and who cannot fit at all is passed over. After every step the ledger proves itself, and no cap is passed by an admission.
"""

import dataclasses
import datetime as dt
import itertools
import uuid

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.tenants import services as tenants
from jobs import admission, ledger_check, operations, parking, sweep
from jobs.models import Job
from jobs.parking import Cursor
from jobs.submissions import Accepted
from tests import builders
from tests.integration.budgets.builders import set_clock
from tests.integration.jobs.test_machine import EXAMPLES

START = dt.datetime(2027, 12, 30, 12, tzinfo=dt.UTC)
START_LIMIT = dt.timedelta(days=2)

_numbers = itertools.count(1)
# Such that most examples have several parked jobs, large and small, and caps with room for some.
amounts = st.integers(min_value=0, max_value=12)
caps = st.sampled_from([None, 0, 6, 12, 15, 18, 24, 30, 40])


@dataclasses.dataclass(slots=True, kw_only=True)
class Modelled:
    """One job as the model has it."""

    application: int
    amount: int
    deadline: dt.datetime
    state: str  # parked, queued, ended
    day: dt.date | None = None  # of its admission


class ParkingMachine(RuleBasedStateMachine):
    """Two applications of one organisation: a daily cap for both, a total cap for each."""

    @initialize()
    def begin(self) -> None:
        set_clock(START)
        self.clock = START
        self.account = builders.make_account()
        other = tenants.create_application(self.account.organization_id, name="other").id
        self.applications = [self.account.application_id, other]
        self.queue = f"queue-{next(_numbers)}"
        self.jobs: dict[uuid.UUID, Modelled] = {}  # in the order of their submission
        self.line: list[uuid.UUID] = []  # the queue
        builders.cap_org(self.account, 12)
        self.org_cap: int | None = 12
        self.caps: list[int | None] = [None, None]
        self.org_spent: dict[dt.date, int] = {}
        self.spent = [0, 0]

    @rule(
        asked=st.lists(st.tuples(st.integers(0, 1), amounts), min_size=1, max_size=4),
        parks=st.sampled_from([True, True, True, False]),
    )
    def submit(self, asked: list[tuple[int, int]], *, parks: bool) -> None:
        for application, amount in asked:
            self._submit(application, amount, parks=parks)

    @rule(
        asked=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=4, max_size=6),
        to=st.sampled_from([18, 21, 24]),
    )
    def crowd(self, asked: list[tuple[int, int]], to: int) -> None:
        """Let several park on a new day, behind one that takes all the room; then raise the cap."""
        self.clock += dt.timedelta(days=1)
        self._cap_organisation(12)
        for application, amount in [(0, 12), *asked]:
            self._submit(application, amount, parks=True)
        self._cap_organisation(to)
        self._unpark()

    @rule(
        asked=st.lists(st.tuples(st.integers(0, 1), amounts), min_size=3, max_size=6),
        to=st.sampled_from([3, 6, 9]),
    )
    def shrink(self, asked: list[tuple[int, int]], to: int) -> None:
        """Let several park on a new day, then lower the cap below some, and make room."""
        self.clock += dt.timedelta(days=1)
        self._cap_organisation(12)
        for application, amount in [(0, 12), *asked]:
            self._submit(application, amount, parks=True)
        self.clock += dt.timedelta(days=1)
        self._cap_organisation(to)
        self._unpark()

    @rule()
    def unpark(self) -> None:
        self._unpark()

    @rule(amount=caps)
    def cap_organisation(self, amount: int | None) -> None:
        self._cap_organisation(amount)

    @rule(application=st.integers(0, 1), amount=caps)
    def cap_application(self, application: int, amount: int | None) -> None:
        subject = self.applications[application]
        builders.cap(Layer.APPLICATION, subject, WindowKind.TOTAL, amount)
        self.caps[application] = amount

    @precondition(lambda self: self.line)
    @rule(part=st.sampled_from([0.0, 0.5, 1.0]))
    def run_one(self, part: float) -> None:
        self._tick()
        (claimed,) = builders.claim(queue=self.queue, limit=1)
        job = self.jobs[claimed.job_id]
        # Whose turn it is is not parking's to say; of one caller they go as they were admitted.
        theirs = [one for one in self.line if self.jobs[one].application == job.application]
        assert claimed.job_id == theirs[0]
        self.line.remove(claimed.job_id)
        cost = int(job.amount * part)

        builders.finish(claimed, cost_microcredits=cost)

        assert job.day is not None
        job.state = "ended"
        self.org_spent[job.day] = self.org_spent.get(job.day, 0) + cost
        self.spent[job.application] += cost

    @precondition(lambda self: any(job.state != "ended" for job in self.jobs.values()))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self._tick()
        waiting = [job_id for job_id, job in self.jobs.items() if job.state != "ended"]
        job_id = data.draw(st.sampled_from(waiting))

        operations.cancel(job_id, organization_id=None, reason="Enough.")

        self._ended(job_id)

    @rule(days=st.sampled_from([1, 1, 3]))
    def midnight(self, days: int) -> None:
        self.clock += dt.timedelta(days=days)

    @rule()
    def lapse(self) -> None:
        self._tick()
        sweep._end_unstarted(sweep.Swept())

        for job_id, job in self.jobs.items():
            if job.state != "ended" and job.deadline <= self.clock:
                self._ended(job_id)

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        rows = Job.objects.filter(organization_id=self.account.organization_id)
        states = {
            row.id: "parked" if row.state == "queued" and row.parked_by else row.state
            for row in rows
        }

        assert {k: v if v in ("parked", "queued") else "ended" for k, v in states.items()} == {
            job_id: job.state for job_id, job in self.jobs.items()
        }

    @invariant()
    def the_ledger_proves_itself(self) -> None:
        assert ledger_check.verify().drift == ()

    def teardown(self) -> None:
        for job_id, job in self.jobs.items():
            if job.state == "parked":
                operations.cancel(job_id, organization_id=None, reason="The example is over.")

    def _tick(self) -> None:
        """Let a minute go by, so that no two steps are at one time."""
        self.clock += dt.timedelta(minutes=1)
        set_clock(self.clock)

    def _submit(self, application: int, amount: int, *, parks: bool) -> None:
        self._tick()
        wanted = builders.submission(
            self.account,
            application_id=self.applications[application],
            estimate_microcredits=amount,
            start_limit_s=START_LIMIT.total_seconds(),
            queue=self.queue,
            parks=parks,
        )

        (answer,) = admission.submit_many([wanted])

        job = Modelled(
            application=application,
            amount=amount,
            deadline=self.clock + START_LIMIT,
            state="parked",
        )
        blocked = self._blocked(job)
        if blocked is not None and not (parks and self._may_fit(job)):
            assert isinstance(answer, errors.BudgetCapHit)
            return
        assert isinstance(answer, Accepted)
        assert (answer.parked is not None) == (blocked is not None)
        self.jobs[answer.job_id] = job
        if blocked is None:
            self._admitted(answer.job_id)

    def _unpark(self) -> None:
        self._tick()
        closed: set[str] = set()
        expected = []
        for job_id, job in self.jobs.items():
            binding = {"org", f"application {job.application}"}
            if job.state != "parked" or job.deadline <= self.clock or binding & closed:
                continue
            if not self._may_fit(job):
                continue
            blocked = self._blocked(job)
            if blocked is None:
                self._admitted(job_id)
                expected.append(job_id)
            else:
                closed.add(blocked)

        admitted = parking.unpark(cursor=Cursor())

        assert admitted.get(self.queue, []) == expected

    def _cap_organisation(self, amount: int | None) -> None:
        builders.cap_org(self.account, amount)
        self.org_cap = amount

    def _admitted(self, job_id: uuid.UUID) -> None:
        job = self.jobs[job_id]
        job.state, job.day = "queued", self.clock.date()
        self.line.append(job_id)

    def _ended(self, job_id: uuid.UUID) -> None:
        self.jobs[job_id].state = "ended"
        if job_id in self.line:
            self.line.remove(job_id)

    def _blocked(self, job: Modelled) -> str | None:
        today = self.clock.date()
        queued = [one for one in self.jobs.values() if one.state == "queued"]
        day = sum(one.amount for one in queued if one.day == today)
        if _passes(self.org_cap, self.org_spent.get(today, 0) + day, job.amount):
            return "org"
        held = sum(one.amount for one in queued if one.application == job.application)
        if _passes(self.caps[job.application], self.spent[job.application] + held, job.amount):
            return f"application {job.application}"
        return None

    def _may_fit(self, job: Modelled) -> bool:
        both = (self.org_cap, self.caps[job.application])
        return not any(_passes(cap, 0, job.amount) for cap in both)


def _passes(cap: int | None, used: int, amount: int) -> bool:
    return cap is not None and (cap == 0 or used + amount > cap)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_parked_jobs_follow_their_model() -> None:
    try:
        run_state_machine_as_test(
            ParkingMachine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=15,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        set_clock(None)
