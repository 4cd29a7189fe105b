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

from budgets.gate import OnCapHit
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
    EndRaise,
    Finish,
    GiveBack,
    Operation,
    RaiseCap,
    Renew,
    SetCap,
    SetOnCapHit,
    Submit,
    Sweep,
)
from tests.integration.jobs.plain import Cap, Plain, Wanted

EXAMPLES = int(os.environ.get("GENIE_PROOF_EXAMPLES", "10"))

# In seconds: within a lease and past it, past both deadlines, over midnight and a month; and back.
STEPS = [700, 4000, 86_400, 28 * 86_400, -40, -86_400]
PLACES = [
    dt.datetime(2027, 12, 31, 23, 59, 50, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 28, 23, 59, 50, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 29, 23, 59, 50, tzinfo=dt.UTC),
    dt.datetime(2028, 12, 31, 23, 59, 50, tzinfo=dt.UTC),
]
# How many seconds pass, whether a sweep follows, and how many pass then.
PASSING: dict[str, tuple[int, bool, int]] = {
    "moment": (10, False, 0),
    "sweep": (0, True, 0),
    "loss": (40, True, 0),  # the workers of what runs are ghosts from now on
    "takeover": (40, True, 10),  # what was lost twice must wait
    "turn": (86_400, True, 0),  # of the day at least: what is parked may have room
    "back": (-40, True, 40),  # over the midnight that the example began at, and on again
}
ADMIN_DEEDS = ("cap", "raise", "raise", "end raise", "behave", "wait", "wait")
PAIRS = [(layer, kind) for layer, kinds in WINDOWS_OF.items() for kind in kinds]
DIGESTS = [b"\x01" * 32, b"\x02" * 32]

# Such that the caps below have room for one or two of them, rarely for all and seldom for none.
amounts = st.sampled_from([25, 8, 25, 40, 16, 25, 1, 0])
shares = st.sampled_from([0.0, 0.5, 1.0])
Asked = tuple[int, int, Mode, bool, bool]
asked: st.SearchStrategy[Asked] = st.tuples(
    st.sampled_from([0, 0, 1, 0, 2]),
    amounts,
    st.sampled_from([Mode.ASYNC, Mode.STREAM, Mode.ASYNC]),
    st.booleans(),  # has a webhook
    st.sampled_from([True, True, False]),  # parks rather than to be refused
)

batches = st.lists(asked, min_size=2, max_size=3)
AskedCap = tuple[int, tuple[Layer, WindowKind], int | None]
caps: st.SearchStrategy[AskedCap] = st.tuples(
    st.integers(0, 2), st.sampled_from(PAIRS), st.sampled_from([30, 60, 30, 90, None, 0])
)
# A cap raised by so much for so long, in seconds: within a day, over midnight, into the next month.
AskedRaise = tuple[int, int]
raises: st.SearchStrategy[AskedRaise] = st.tuples(
    st.sampled_from([10, 40]), st.sampled_from([605, 86_405, 40 * 86_400 + 5])
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

    # Tight, so that there is something to be refused, to wait for and to raise from the start.
    @initialize(place=st.sampled_from(PLACES), cap=st.sampled_from([30, 60, 30]), batch=batches)
    def begin(self, place: dt.datetime, cap: int, batch: list[Asked]) -> None:
        operations.clean()
        self.model = Plain(place)
        self.claims: list[Claimed] = []  # of every attempt there ever was: ghosts too
        self._set_cap(0, (Layer.ORG, WindowKind.DAILY), cap)
        self._submit(batch)
        self._claim()

    # What is drawn never depends on what there is: which jobs a claim brings is Genie's choice.

    @rule(
        deed=st.sampled_from([*["submit"] * 5, "repeat", "cancel", *ADMIN_DEEDS]),
        batch=batches,
        digest=st.sampled_from(DIGESTS),
        which=recent,
        cap=caps,
        by=raises,
        behaviour=st.sampled_from(list(OnCapHit)),
    )
    def callers_and_admins(
        self,
        *,
        deed: str,
        batch: list[Asked],
        digest: bytes,
        which: int,
        cap: AskedCap,
        by: AskedRaise,
        behaviour: OnCapHit,
    ) -> None:
        match deed:
            case "submit":
                self._submit(batch)
            case "repeat":
                self._submit(batch[:1], key="k", digest=digest)
            case "cancel" if self.model.jobs:
                jobs = list(self.model.jobs)
                self._do(Cancel(jobs[-1 - which % len(jobs)]))
            case _ if deed in ADMIN_DEEDS:
                self._administer(deed, which, cap, by, behaviour)

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
        what=st.sampled_from(
            [
                "moment",
                "loss",
                "takeover",
                "takeover",
                "sweep",
                "step",
                "turn",
                "turn",
                "back",
                "rest",
            ]
        ),
        seconds=st.sampled_from(STEPS),
        place=st.sampled_from(PLACES),
    )
    def time_passes(self, what: str, seconds: int, place: dt.datetime) -> None:
        if what == "rest":
            self._rest()
            self.model.move_clock(place)
        elif what == "step":
            self._pass(seconds)
        else:
            passes, is_swept, after = PASSING[what]
            self._pass(passes)
            if is_swept:
                self._do(Sweep())
            self._pass(after)
        if what == "takeover":
            self._claim()

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
        self.model.move_clock(self.model.clock + dt.timedelta(seconds=seconds))

    def _set_cap(self, who: int, pair: tuple[Layer, WindowKind], amount: int | None) -> None:
        layer, kind = pair
        subject_id = dict(self.payers[who].subjects()).get(layer)
        if subject_id is not None:
            self._do(SetCap((layer, subject_id, kind), amount))

    def _administer(
        self, deed: str, which: int, cap: AskedCap, by: AskedRaise, behaviour: OnCapHit
    ) -> None:
        capped = [one for one, amount in self.model.caps.items() if amount is not None]
        match deed:
            case "cap":
                self._set_cap(*cap)
            case "raise" if capped:
                self._raise_cap(capped[-1 - which % len(capped)], *by)
            case "end raise" if capped:
                self._do(EndRaise(capped[-1 - which % len(capped)]))
            case "wait":  # for the next sweep, which un-parks
                self._do(Sweep())
            case "behave":
                application_id = self.payers[which % 2].application_id
                assert application_id is not None
                self._do(SetOnCapHit(application_id, behaviour))

    def _raise_cap(self, cap: Cap, by: int, seconds: int) -> None:
        now = self.model.clock
        until = now + dt.timedelta(seconds=seconds)
        self._do(RaiseCap(cap, (self.model.caps[cap] or 0) + by, now, until))

    def _submit(self, batch: list[Asked], *, key: str | None = None, digest: bytes = b"") -> None:
        wanted = [
            Wanted(
                job_id=new_id(),
                payer=self.payers[who],
                amount=amount,
                mode=mode,
                webhook=webhook and mode is Mode.ASYNC,
                parks=parks and mode is Mode.ASYNC,
                key=key,
                digest=digest,
            )
            for who, amount, mode, webhook, parks in batch
        ]
        self._do(Submit(tuple(wanted)))
        operations.tell_order(self.model)

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
