"""The replay of recorded requests: the gate's rule, real settlements, and time in between."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets import simulation
from budgets.gate import OnCapHit
from budgets.simulation import Earlier, Opening, Outcome, Place, Recorded
from budgets.types import Payer
from budgets.windows import Layer, WindowKind
from genie.core import ids

ORG, SHOP = ids.new_id(), ids.new_id()
PAYER = Payer(organization_id=ORG, application_id=SHOP)
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
EMPTY = Opening(counters={}, earlier=())


def at(minutes: float) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


def recorded(minutes: float, requested: int, **attributes: Any) -> Recorded:
    fields: dict[str, Any] = {
        "reference": ids.new_id(),
        "payer": PAYER,
        "requested": requested,
        "at": at(minutes),
        "was_admitted": True,
        "charged": None,
        "settled_at": None,
    }
    return Recorded(**(fields | attributes))


def replay(
    events: Sequence[Recorded],
    caps: dict[tuple[Layer, WindowKind], int | None],
    *,
    opening: Opening = EMPTY,
    does: OnCapHit = OnCapHit.BLOCK,
    listed: int = 100,
) -> Outcome:
    def cap_of(layer: Layer, subject_id: uuid.UUID, window: WindowKind) -> tuple[Any, OnCapHit]:
        return caps.get((layer, window)), does if layer is Layer.APPLICATION else OnCapHit.BLOCK

    return simulation.replay(events, opening=opening, cap_of=cap_of, listed=listed)


ORG_DAILY = (Layer.ORG, WindowKind.DAILY)
SHOP_TOTAL = (Layer.APPLICATION, WindowKind.TOTAL)


class TestReplay:
    def test_refuses_nothing_without_caps(self) -> None:
        outcome = replay([recorded(0, 5), recorded(1, 5)], {})

        assert (outcome.events, outcome.refused, outcome.refusals) == (2, 0, [])

    def test_names_the_first_cap_in_walk_order_and_what_was_asked(self) -> None:
        events = [recorded(0, 6), recorded(1, 5), recorded(2, 4), recorded(3, 1)]

        outcome = replay(events, {ORG_DAILY: 10, SHOP_TOTAL: 10})

        assert (outcome.events, outcome.refused, outcome.newly_refused) == (4, 2, 2)
        assert {cap: (one.refused, one.requested) for cap, one in outcome.by_cap.items()} == {
            ORG_DAILY: (2, 6)
        }
        assert [one.reference for one in outcome.refusals] == [
            events[1].reference,
            events[3].reference,
        ]
        assert (outcome.refusals[0].layer, outcome.refusals[0].window) == ORG_DAILY

    def test_charges_a_job_when_it_was_settled_and_not_before(self) -> None:
        first = recorded(0, 10, charged=2, settled_at=at(5))

        outcome = replay([first, recorded(4, 1), recorded(5, 8), recorded(6, 1)], {ORG_DAILY: 10})

        refused = [one.at for one in outcome.refusals]
        assert refused == [at(4), at(6)]

    def test_a_refused_job_is_never_charged(self) -> None:
        events = [recorded(0, 11, charged=11, settled_at=at(1)), recorded(2, 10)]

        outcome = replay(events, {ORG_DAILY: 10})

        assert [one.reference for one in outcome.refusals] == [events[0].reference]

    def test_counts_the_whole_estimate_of_a_job_that_only_these_caps_admit(self) -> None:
        was_refused = recorded(0, 6, was_admitted=False)

        outcome = replay([was_refused, recorded(600, 5)], {ORG_DAILY: 10})

        assert (outcome.newly_admitted, outcome.refused, outcome.newly_refused) == (1, 1, 1)

    def test_says_which_refusals_are_not_new(self) -> None:
        outcome = replay([recorded(0, 11, was_admitted=False)], {ORG_DAILY: 10})

        assert (outcome.refused, outcome.newly_refused, outcome.newly_admitted) == (1, 0, 0)
        assert not outcome.refusals[0].was_admitted

    def test_begins_with_a_new_counter_in_a_new_period(self) -> None:
        events = [recorded(0, 10), recorded(11 * 60 + 59, 1), recorded(12 * 60, 10)]

        outcome = replay(events, {ORG_DAILY: 10})

        assert [one.at for one in outcome.refusals] == [at(11 * 60 + 59)]

    def test_begins_with_what_was_spent_and_held_before(self) -> None:
        place = Place(Layer.ORG, ORG, WindowKind.DAILY, "2026-11-20")
        earlier = Earlier(places=(place,), amount=4, charged=1, settled_at=at(5))
        opening = Opening(counters={place: (3, 4)}, earlier=(earlier,))

        events = [recorded(1, 4), recorded(6, 6), recorded(7, 1)]
        outcome = replay(events, {ORG_DAILY: 10}, opening=opening)

        assert [one.at for one in outcome.refusals] == [at(1), at(7)]

    @pytest.mark.parametrize("does", [OnCapHit.NOTIFY_ONLY, OnCapHit.SOFT_WARN])
    def test_refuses_nothing_by_caps_that_do_not_block(self, does: OnCapHit) -> None:
        assert replay([recorded(0, 5)], {SHOP_TOTAL: 1}, does=does).refused == 0

    def test_a_cap_of_zero_refuses_even_a_free_request(self) -> None:
        assert replay([recorded(0, 0)], {ORG_DAILY: 0}).refused == 1

    def test_lists_so_many_and_counts_all(self) -> None:
        outcome = replay([recorded(n, 1) for n in range(5)], {ORG_DAILY: 0}, listed=2)

        assert (outcome.refused, len(outcome.refusals)) == (5, 2)


# (minutes since the one before, estimate, share of it that is charged in %, minutes until settled)
JOBS = st.tuples(
    st.integers(0, 900), st.integers(0, 12), st.integers(0, 100), st.integers(0, 2000) | st.none()
)


@given(st.lists(JOBS, max_size=30), st.integers(0, 30))
def test_decides_like_a_list_of_jobs_that_is_added_up_each_time(
    jobs: list[tuple[int, int, int, int | None]], cap: int
) -> None:
    events, now = [], 0.0
    for gap, requested, percent, lasts in jobs:
        now += gap
        settled_at = None if lasts is None else at(now + lasts + 0.5)
        charged = None if lasts is None else requested * percent // 100
        events.append(recorded(now, requested, charged=charged, settled_at=settled_at))

    outcome = replay(events, {ORG_DAILY: cap}, listed=len(events))

    admitted: list[Recorded] = []
    refused: list[Recorded] = []
    for event in events:
        today = [one for one in admitted if one.at.date() == event.at.date()]
        counted = sum(
            one.charged
            if one.settled_at is not None and one.charged is not None and one.settled_at <= event.at
            else one.requested
            for one in today
        )
        fits = cap > 0 and counted + event.requested <= cap
        (admitted if fits else refused).append(event)
    assert [one.reference for one in outcome.refusals] == [one.reference for one in refused]
    assert outcome.refused == len(refused)
