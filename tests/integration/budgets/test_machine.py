"""Random interleavings against a dict: the ledger and the model agree after every step.

The invariants are those of the reliability page: no admission passes a cap (I3); counters equal
what the entries say, and the entries what the model did (I4).
"""

import datetime as dt
import os
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

from budgets import capping, selectors, services, windows
from budgets.errors import HoldNotOpenError
from budgets.gate import Mode, OnCapHit
from budgets.models import Window
from budgets.types import Held, HoldRequest, Payer, Refused, Settlement
from budgets.windows import WINDOWS_OF, Layer, WindowKind
from genie.core.ids import new_id
from genie.core.transactions import transaction
from tests.integration.budgets import builders

EXAMPLES = int(os.environ.get("GENIE_PROOF_EXAMPLES", "12"))

Key = tuple[Layer, uuid.UUID, WindowKind, str]  # one window in one period
Capped = tuple[Layer, uuid.UUID, WindowKind]  # what a cap is for

START = dt.datetime(2027, 12, 30, 12, tzinfo=dt.UTC)
# Over midnight, an ISO week, a month; back by a day; to the year's end and the leap day of 2028.
STEPS = [dt.timedelta(days=days) for days in (0, 1, 1, 3, 28, -1)]
PLACES = [
    dt.datetime(2027, 12, 31, 12, tzinfo=dt.UTC),
    dt.datetime(2028, 1, 1, 12, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 28, 12, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 29, 12, tzinfo=dt.UTC),
    dt.datetime(2028, 12, 31, 12, tzinfo=dt.UTC),
]
PAIRS = [(layer, kind) for layer, kinds in WINDOWS_OF.items() for kind in kinds]

amounts = st.integers(min_value=0, max_value=12)
caps = st.one_of(st.none(), st.integers(min_value=0, max_value=30))


class CrashError(Exception):
    """Ends a transaction before its commit."""


class LedgerMachine(RuleBasedStateMachine):
    """Two applications of one organisation and a caller from another, who is the same user."""

    @initialize()
    def begin(self) -> None:
        user_id = new_id()
        first = Payer(
            organization_id=new_id(), application_id=new_id(), member_id=new_id(), user_id=user_id
        )
        second = Payer(
            organization_id=first.organization_id, application_id=new_id(), user_id=user_id
        )
        self.payers = [first, second, Payer(organization_id=new_id(), user_id=user_id)]
        self.clock = START
        self.spent: dict[Key, int] = {}
        self.held: dict[Key, int] = {}
        self.caps: dict[Capped, int | None] = {}
        self.raises: dict[Capped, tuple[int, dt.datetime]] = {}
        self.behaviours: dict[uuid.UUID, OnCapHit] = {}
        self.open: dict[uuid.UUID, tuple[int, list[Key]]] = {}
        self.closed: list[uuid.UUID] = []

    @rule(
        asked=st.lists(st.tuples(st.integers(0, 2), amounts), min_size=1, max_size=4),
        mode=st.sampled_from([Mode.ON, Mode.ON, Mode.ON, Mode.SHADOW, Mode.OFF]),
    )
    def hold(self, asked: list[tuple[int, int]], mode: Mode) -> None:
        requests = [builders.request(self.payers[who], amount) for who, amount in asked]

        builders.set_clock(self.clock)
        answers = builders.hold(*requests, mode=mode)

        for request, answer in zip(requests, answers, strict=True):
            self._expect(request, answer, mode)

    @rule(who=st.integers(0, 2), amount=amounts)
    def crash_before_commit(self, who: int, amount: int) -> None:
        builders.set_clock(self.clock)
        with pytest.raises(CrashError):
            self._hold_and_crash(builders.request(self.payers[who], amount))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        batch = data.draw(
            st.lists(st.sampled_from(sorted(self.open)), min_size=1, max_size=3, unique=True)
        )
        charges = {
            one: data.draw(st.sampled_from([0, self.open[one][0] // 2, self.open[one][0]]))
            for one in batch
        }

        builders.set_clock(self.clock)
        with transaction():
            services.settle_many(
                [Settlement(reference=k, actual_microcredits=v) for k, v in charges.items()]
            )

        for reference, charged in charges.items():
            amount, keys = self.open.pop(reference)
            self.closed.append(reference)
            for key in keys:
                self.held[key] -= amount
                self.spent[key] += charged

    @precondition(lambda self: self.open)
    @rule(data=st.data(), asked=st.lists(amounts, min_size=1, max_size=3))
    def part(self, data: st.DataObject, asked: list[int]) -> None:
        source = data.draw(st.sampled_from(sorted(self.open)))
        left, keys = self.open[source]
        shares = [builders.request(self.payers[0], amount) for amount in asked]

        builders.set_clock(self.clock)
        if sum(asked) > left:
            with pytest.raises(HoldNotOpenError), transaction():
                services.part(source, shares)
            return
        with transaction():
            services.part(source, shares)

        self.open[source] = (left - sum(asked), keys)
        for share in shares:  # on the windows of the source, whatever the date is by now
            self.open[share.reference] = (share.amount_microcredits, keys)

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def part_of_what_is_closed(self, data: st.DataObject) -> None:
        with pytest.raises(HoldNotOpenError), transaction():
            services.part(
                data.draw(st.sampled_from(self.closed)), [builders.request(self.payers[0], 0)]
            )

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        with pytest.raises(HoldNotOpenError):
            builders.settle(data.draw(st.sampled_from(self.closed)), 1)

    @rule(who=st.integers(0, 2), pair=st.sampled_from(PAIRS), amount=caps)
    def set_cap(self, who: int, pair: tuple[Layer, WindowKind], amount: int | None) -> None:
        layer, kind = pair
        subject_id = dict(self.payers[who].subjects()).get(layer)
        if subject_id is not None:
            builders.cap(layer, subject_id, kind, amount)
            self.caps[layer, subject_id, kind] = amount
            self.raises.pop((layer, subject_id, kind), None)

    @precondition(lambda self: any(cap is not None for cap in self.caps.values()))
    @rule(data=st.data(), above=st.integers(1, 15), days=st.integers(1, 40))
    def raise_cap(self, data: st.DataObject, above: int, days: int) -> None:
        caps = {key: cap for key, cap in self.caps.items() if cap is not None}
        key = data.draw(st.sampled_from(sorted(caps)))
        to, until = caps[key] + above, self.clock + dt.timedelta(days=days)

        capping.raise_cap(*key, to, until=until, now=self.clock)

        self.raises[key] = (to, until)

    @rule(who=st.integers(0, 1), behaviour=st.sampled_from(list(OnCapHit)))
    def set_on_cap_hit(self, who: int, behaviour: OnCapHit) -> None:
        application_id = self.payers[who].application_id
        assert application_id is not None

        capping.set_on_cap_hit(application_id, behaviour, now=builders.NOW)

        self.behaviours[application_id] = behaviour

    @rule(step=st.sampled_from(STEPS))
    def advance(self, step: dt.timedelta) -> None:
        self.clock += step

    @rule(place=st.sampled_from(PLACES))
    def jump(self, place: dt.datetime) -> None:
        self.clock = place

    @invariant()
    def counters_equal_the_model_and_the_entries(self) -> None:
        mine = [one for payer in self.payers for _, one in payer.subjects()]
        rows = Window.objects.filter(subject_id__in=mine)
        counted = {
            (row.layer, row.subject_id, row.window, row.period): (row.spent, row.held)
            for row in rows
        }
        modelled = {key: (self.spent[key], self.held[key]) for key in self.held}

        assert {k: v for k, v in counted.items() if v != (0, 0)} == {
            k: v for k, v in modelled.items() if v != (0, 0)
        }
        assert list(selectors.counter_drift()) == []
        assert selectors.hold_drift() == []
        assert selectors.open_references() >= set(self.open)

    def _hold_and_crash(self, request: HoldRequest) -> None:
        with transaction():
            services.hold_many([request], mode=Mode.ON)
            raise CrashError

    def _expect(self, request: HoldRequest, answer: Held | Refused, mode: Mode) -> None:
        """Decide by the plainest reading of the contract, and compare."""
        amount = request.amount_microcredits
        keys = self._keys(request.payer)
        blocking = [
            (layer, kind)
            for layer, subject_id, kind, period in keys
            if self._blocks((layer, subject_id, kind, period), amount)
        ]
        if blocking and mode is Mode.ON:
            assert isinstance(answer, Refused)
            layer, kind = blocking[0]
            assert answer.error.extra["capLayer"] == layer
            assert answer.error.extra["capWindow"] == kind
            return
        assert isinstance(answer, Held)
        self.open[request.reference] = (amount, keys)
        for key in keys:
            self.held[key] = self.held.get(key, 0) + amount
            self.spent.setdefault(key, 0)

    def _keys(self, payer: Payer) -> list[Key]:
        return [
            (layer, subject_id, kind, windows.period_of(kind, self.clock.date()))
            for layer, subject_id in payer.subjects()
            for kind in WINDOWS_OF[layer]
        ]

    def _blocks(self, key: Key, amount: int) -> bool:
        layer, subject_id, kind, _ = key
        if self.behaviours.get(subject_id, OnCapHit.BLOCK) is not OnCapHit.BLOCK:
            return False
        cap = self.caps.get((layer, subject_id, kind))
        raised, until = self.raises.get((layer, subject_id, kind), (cap, self.clock))
        cap = raised if self.clock < until else cap
        used = self.spent.get(key, 0) + self.held.get(key, 0)
        return cap is not None and (cap == 0 or used + amount > cap)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120 + 10 * EXAMPLES)
def test_the_ledger_equals_its_model() -> None:
    try:
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=18,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        builders.set_clock(None)
