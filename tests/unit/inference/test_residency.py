"""Who leaves the memory so that another model fits."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import residency
from inference.residency import NeverFits, Plan, Resident


def resident(
    model: str, size: int = 10, *, used: int = 0, idle: bool = True, **marks: bool
) -> Resident:
    return Resident(model=model, size_bytes=size, last_used=used, is_idle=idle, **marks)


class TestPlan:
    def test_where_there_is_room_nobody_leaves(self) -> None:
        plan = residency.plan([resident("a")], needed_bytes=10, budget_bytes=20)

        assert plan == Plan()

    def test_the_least_recently_used_leaves_first_and_no_more_than_needed(self) -> None:
        residents = [resident("new", used=9), resident("old", used=1), resident("mid", used=5)]

        plan = residency.plan(residents, needed_bytes=10, budget_bytes=30)

        assert plan == Plan(evict=("old",))

    def test_an_idle_model_leaves_before_a_busy_one_that_is_older(self) -> None:
        residents = [resident("busy", used=1, idle=False), resident("idle", used=9)]

        plan = residency.plan(residents, needed_bytes=10, budget_bytes=20)

        assert plan == Plan(evict=("idle",))

    def test_a_busy_model_drains_where_the_idle_ones_are_not_enough(self) -> None:
        residents = [resident("busy", used=1, idle=False), resident("idle", used=9)]

        plan = residency.plan(residents, needed_bytes=20, budget_bytes=20)

        assert plan == Plan(evict=("idle",), drain=("busy",))

    def test_who_drains_already_goes_on_even_if_another_is_older(self) -> None:
        residents = [
            resident("older", used=1, idle=False),
            resident("leaving", used=9, idle=False, is_leaving=True),
        ]

        plan = residency.plan(residents, needed_bytes=10, budget_bytes=20)

        assert plan == Plan(drain=("leaving",))

    def test_a_pinned_model_stays(self) -> None:
        residents = [resident("pinned", used=1, is_pinned=True), resident("free", used=9)]

        plan = residency.plan(residents, needed_bytes=10, budget_bytes=20)

        assert plan == Plan(evict=("free",))

    @pytest.mark.parametrize(
        ("residents", "pinned"),
        [([], 0), ([resident("pinned", 12, is_pinned=True)], 12), ([resident("a", 12)], 0)],
    )
    def test_what_can_never_fit_is_told_so(self, residents: list[Resident], pinned: int) -> None:
        needed = 21 - pinned

        plan = residency.plan(residents, needed_bytes=needed, budget_bytes=20)

        assert plan == NeverFits(pinned_bytes=pinned)

    @given(
        st.lists(
            st.builds(
                Resident,
                model=st.uuids().map(str),
                size_bytes=st.integers(0, 50),
                last_used=st.integers(0, 9),
                is_idle=st.booleans(),
                is_leaving=st.booleans(),
                is_pinned=st.booleans(),
            ),
            max_size=6,
        ),
        st.integers(1, 60),
        st.integers(1, 120),
    )
    def test_after_a_plan_there_is_room_and_every_pin_stands(
        self, residents: list[Resident], needed: int, budget: int
    ) -> None:
        plan = residency.plan(residents, needed_bytes=needed, budget_bytes=budget)

        pinned = {one.model for one in residents if one.is_pinned}
        pinned_bytes = sum(one.size_bytes for one in residents if one.is_pinned)
        assert isinstance(plan, NeverFits) == (pinned_bytes + needed > budget)
        leaving = set() if isinstance(plan, NeverFits) else {*plan.evict, *plan.drain}
        staying = sum(one.size_bytes for one in residents if one.model not in leaving)
        assert not leaving & pinned
        assert isinstance(plan, NeverFits) or staying + needed <= budget


class TestLeastRecentlyUsed:
    def test_is_an_idle_one_that_is_not_pinned(self) -> None:
        residents = [
            resident("pinned", used=0, is_pinned=True),
            resident("busy", used=1, idle=False),
            resident("newer", used=3),
            resident("older", used=2),
        ]

        assert residency.least_recently_used(residents) == "older"

    def test_is_nobody_where_all_are_busy(self) -> None:
        busy = dataclasses.replace(resident("busy"), is_idle=False)

        assert residency.least_recently_used([busy]) is None
