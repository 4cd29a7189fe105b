"""Admission under a budget, and packing of padded batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.batching import Admission, Budget, pack

sizes = st.lists(st.integers(1, 100), max_size=40)


class TestAdmission:
    def test_admits_up_to_its_slots(self) -> None:
        admission = Admission(Budget(slots=2, tokens=1000))
        for key in "abc":
            admission.wait(key, tokens=10)

        assert admission.admit() == ["a", "b"]
        assert admission.admit() == []

    def test_admits_the_next_when_one_leaves(self) -> None:
        admission = Admission(Budget(slots=1, tokens=1000))
        admission.wait("a", tokens=10)
        admission.wait("b", tokens=10)
        admission.admit()

        admission.leave("a")

        assert admission.admit() == ["b"]

    def test_a_small_one_does_not_overtake_a_large_one(self) -> None:
        admission = Admission(Budget(slots=9, tokens=100))
        admission.wait("runs", tokens=60)
        admission.admit()
        admission.wait("large", tokens=80)
        admission.wait("small", tokens=10)

        assert admission.admit() == []

        admission.leave("runs")
        assert admission.admit() == ["large", "small"]

    def test_counts_whole_pages(self) -> None:
        admission = Admission(Budget(slots=9, tokens=64, page_tokens=32))
        admission.wait("a", tokens=33)

        admission.admit()

        assert admission.reserved == 64

    def test_refuses_what_can_never_fit(self) -> None:
        admission = Admission(Budget(slots=1, tokens=10))

        with pytest.raises(ValueError, match="do not fit"):
            admission.wait("a", tokens=11)

    def test_one_who_waits_may_leave(self) -> None:
        admission = Admission(Budget(slots=1, tokens=10))
        admission.wait("a", tokens=10)

        admission.leave("a")
        admission.leave("a")

        assert admission.admit() == []
        assert len(admission) == 0

    @given(sizes=sizes, slots=st.integers(1, 8), page=st.integers(1, 8))
    def test_never_passes_the_budget_and_admits_all_in_order(
        self, sizes: list[int], slots: int, page: int
    ) -> None:
        budget = Budget(slots=slots, tokens=120, page_tokens=page)
        admission = Admission(budget)
        for number, size in enumerate(sizes):
            admission.wait(number, tokens=size)
        order: list[object] = []

        while len(admission):
            admitted = admission.admit()
            order += admitted
            assert admission.reserved <= budget.tokens
            assert len(admitted) <= slots
            admission.leave(order[0] if not admitted else admitted[0])
            for key in order:
                admission.leave(key)

        assert order == list(range(len(sizes)))
        assert admission.reserved == 0


class TestPack:
    @given(lengths=st.lists(st.integers(1, 50), min_size=1), items=st.integers(1, 10))
    def test_takes_at_least_one_and_stays_in_the_budget(
        self, lengths: list[int], items: int
    ) -> None:
        count = pack(lengths, items=items, padded_tokens=60)

        assert 1 <= count <= items
        assert count == 1 or max(lengths[:count]) * count <= 60

    def test_of_nothing_is_nothing(self) -> None:
        assert pack([], items=4, padded_tokens=10) == 0
