"""Random lives of jobs against a plain model: after every step all rows say what the model says.

A step is an operation that a caller, a worker, the sweep, an admin or the clock may do, and any of
them may come late or twice. ``GENIE_PROOF_EXAMPLES`` makes the run longer; see CONTRIBUTING.md.
"""

import datetime as dt
import os
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from budgets.types import Payer
from budgets.windows import WINDOWS_OF, Layer, WindowKind
from genie.core.ids import new_id
from jobs.claims import Claimed
from jobs.states import TERMINAL, JobState, Mode
from tests import builders
from tests.integration.budgets import builders as money
from tests.integration.jobs import invariants, operations
from tests.integration.jobs.operations import (
    Cancel,
    Finish,
    GiveBack,
    Operation,
    Renew,
    SetCap,
    Submit,
    Sweep,
)
from tests.integration.jobs.plain import Plain, Wanted

EXAMPLES = int(os.environ.get("GENIE_PROOF_EXAMPLES", "20"))

# In seconds: within a lease and past it, past both deadlines, over midnight and a month; and back.
STEPS = [700, 4000, 86_400, 28 * 86_400, -40, -86_400]
PLACES = [
    dt.datetime(2027, 12, 31, 23, 59, 50, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 28, 23, 59, 50, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 29, 23, 59, 50, tzinfo=dt.UTC),
    dt.datetime(2028, 12, 31, 23, 59, 50, tzinfo=dt.UTC),
]
PAIRS = [(layer, kind) for layer, kinds in WINDOWS_OF.items() for kind in kinds]
DIGESTS = [b"\x01" * 32, b"\x02" * 32]

amounts = st.sampled_from([0, 1, 8, 25, 40])
shares = st.sampled_from([0.0, 0.5, 1.0])
Asked = tuple[int, int, Mode, bool]
asked: st.SearchStrategy[Asked] = st.tuples(
    st.integers(0, 2),
    amounts,
    st.sampled_from([Mode.STREAM, Mode.ASYNC]),
    st.booleans(),  # has a webhook
)

batches = st.lists(asked, min_size=1, max_size=3)
AskedCap = tuple[int, tuple[Layer, WindowKind], int | None]
caps: st.SearchStrategy[AskedCap] = st.tuples(
    st.integers(0, 2), st.sampled_from(PAIRS), st.sampled_from([None, None, 0, 30, 60, 90])
)
recent = st.integers(0, 3)  # operations meet at the newest few, or they would hardly ever meet


def payers() -> list[Payer]:
    """Return two payers of one organisation and one of another, all the same user."""
    first, other = builders.make_account(), builders.make_account()
    return [
        first.payer,
        Payer(
            organization_id=first.organization_id, application_id=new_id(), user_id=first.user_id
        ),
        Payer(organization_id=other.organization_id, user_id=first.user_id),
    ]


class JobsMachine(RuleBasedStateMachine):
    """Callers, workers, the sweep and an admin.

    Few rules with several deeds each: Hypothesis switches rules off for whole examples, and a life
    without claims or without callers shows little.
    """

    payers: Sequence[Payer] = ()

    @initialize(place=st.sampled_from(PLACES), batch=batches)
    def begin(self, place: dt.datetime, batch: list[Asked]) -> None:
        operations.clean()
        self.model = Plain(place)
        self.claims: list[Claimed] = []  # of every attempt there ever was: ghosts too
        self._submit(batch)
        self._claim()

    # What is drawn never depends on what there is: which jobs a claim brings is Genie's choice.

    @rule(
        deed=st.sampled_from(["submit", "submit", "repeat", "cancel", "cap"]),
        batch=batches,
        digest=st.sampled_from(DIGESTS),
        which=recent,
        cap=caps,
    )
    def callers_and_admins(
        self, deed: str, batch: list[Asked], digest: bytes, which: int, cap: AskedCap
    ) -> None:
        match deed:
            case "submit":
                self._submit(batch)
            case "repeat":
                self._submit(batch[:1], key="k", digest=digest)
            case "cancel" if self.model.jobs:
                jobs = list(self.model.jobs)
                self._do(Cancel(jobs[-1 - which % len(jobs)]))
            case "cap":
                self._set_cap(*cap)

    @rule(
        deed=st.sampled_from(["claim", "claim", "finish", "again", "give back", "renew", "crash"]),
        which=st.lists(recent, min_size=1, max_size=2),
        state=st.sampled_from(sorted(TERMINAL)),
        share=shares,
        tokens=st.sampled_from([60, 10, 0]),
    )
    def workers(
        self, deed: str, which: list[int], state: JobState, share: float, tokens: int
    ) -> None:
        if deed == "claim" or not self.claims:
            self._claim()
            return
        attempts = [self.claims[-1 - one % len(self.claims)] for one in which]
        ending = self._ending(attempts, state, share)
        match deed:
            case "finish":
                self._do(ending)
            case "again":
                self._do(ending)
                self._do(ending)
            case "give back":
                self._do(GiveBack(attempts[0]))
            case "renew":
                self._do(Renew(attempts[0], tokens))
            case "crash":
                money.set_clock(self.model.clock)
                with pytest.raises(operations.CrashError):
                    operations.finish_and_crash(ending)

    @rule(
        what=st.sampled_from(["moment", "loss", "takeover", "takeover", "sweep", "step", "rest"]),
        seconds=st.sampled_from(STEPS),
        place=st.sampled_from(PLACES),
    )
    def time_passes(self, what: str, seconds: int, place: dt.datetime) -> None:
        match what:
            case "moment":
                self._pass(10)
            case "loss":  # the workers of what runs are ghosts from now on
                self._pass(40)
                self._do(Sweep())
            case "takeover":
                self._pass(40)
                self._do(Sweep())
                self._pass(10)  # what was lost twice must wait
                self._claim()
            case "sweep":
                self._do(Sweep())
            case "step":
                self._pass(seconds)
            case "rest":
                self._rest()
                self.model.clock = place

    @invariant()
    def all_invariants_hold(self) -> None:
        invariants.assert_all(self.model)

    def _rest(self) -> None:
        """Let every limit pass: nothing is held any more (I4), whatever was lost on the way."""
        self._pass(400 * 86_400)
        for _ in range(2):  # what the first gives back has waited too long at the second
            self._do(Sweep())
        assert {held for _, held in invariants.counters().values()} <= {0}

    def _pass(self, seconds: int) -> None:
        self.model.clock += dt.timedelta(seconds=seconds)

    def _set_cap(self, who: int, pair: tuple[Layer, WindowKind], amount: int | None) -> None:
        layer, kind = pair
        subject_id = dict(self.payers[who].subjects()).get(layer)
        if subject_id is not None:
            self._do(SetCap((layer, subject_id, kind), amount))

    def _submit(self, batch: list[Asked], *, key: str | None = None, digest: bytes = b"") -> None:
        wanted = [
            Wanted(
                job_id=new_id(),
                payer=self.payers[who],
                amount=amount,
                mode=mode,
                webhook=webhook and mode is Mode.ASYNC,
                key=key,
                digest=digest,
            )
            for who, amount, mode, webhook in batch
        ]
        self._do(Submit(tuple(wanted)))

    def _claim(self) -> None:
        money.set_clock(self.model.clock)
        self.claims += operations.claim(self.model, 3)

    def _ending(self, attempts: list[Claimed], state: JobState, share: float) -> Finish:
        """Return the end of attempts of different jobs, whether they are current or ghosts."""
        by_job = {one.job_id: one for one in attempts}
        return Finish(
            tuple(
                (one, state, int(self.model.jobs[job_id].wanted.amount * share))
                for job_id, one in by_job.items()
            )
        )

    def _do(self, operation: Operation) -> None:
        """Do it to both, and compare what the caller is told."""
        money.set_clock(self.model.clock)
        assert operation.run() == operation.apply(self.model)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120 + 10 * EXAMPLES)
@pytest.mark.usefixtures("redis_server", "tickets", "webhook_tickets")
def test_jobs_and_money_equal_their_model() -> None:
    JobsMachine.payers = payers()
    try:
        run_state_machine_as_test(
            JobsMachine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=35,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        money.set_clock(None)
