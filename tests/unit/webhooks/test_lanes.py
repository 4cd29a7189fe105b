"""Lanes bound what is under way, keep what waits, and give back what does not move."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.lanes import AHEAD_S, KNOWN_AFTER, MOST_AHEAD, STUCK_S, Lanes, Paces


@dataclasses.dataclass(frozen=True)
class Claim:
    number: int
    receiver: str = "a"
    host: str = "h"


def lanes(
    slots: int = 32, per_receiver: int = 4, per_host: int = 8, longest_wait_s: float = 10
) -> Lanes[Claim]:
    return Lanes(
        slots=slots, per_receiver=per_receiver, per_host=per_host, longest_wait_s=longest_wait_s
    )


def claims(count: int, receiver: str = "a", host: str = "h") -> list[Claim]:
    return [Claim(number, receiver, host) for number in range(count)]


class TestStart:
    def test_sends_in_the_order_of_the_claims_as_many_as_the_bound_allows(self) -> None:
        own = lanes()
        own.add(claims(6), now=7)

        started = list(own.start())

        assert started == [(claim, 7) for claim in claims(4)]
        assert (own.waiting, own.under_way, own.held) == (2, 4, 6)
        assert list(own.start()) == []

    def test_goes_on_as_attempts_end(self) -> None:
        own = lanes()
        own.add(claims(6), now=0)
        first = [claim for claim, _ in own.start()]

        own.ended(first[2], now=1)

        assert [claim.number for claim, _ in own.start()] == [4]

    def test_is_bound_by_the_host_of_several_receivers(self) -> None:
        own = lanes()
        for receiver in "abc":
            own.add(claims(4, receiver), now=0)

        assert len(list(own.start())) == 8

    def test_is_bound_by_the_slots(self) -> None:
        own = lanes(slots=5)
        for receiver in "abc":
            own.add(claims(4, receiver, host=receiver), now=0)

        assert len(list(own.start())) == 5

    @given(
        st.lists(
            st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.booleans()), max_size=80
        )
    )
    def test_never_passes_a_bound_and_loses_nothing(
        self, steps: list[tuple[str, str, bool]]
    ) -> None:
        own = lanes(slots=6, per_receiver=2, per_host=3)
        under_way: list[Claim] = []
        ended = 0
        for number, (receiver, host, ends) in enumerate(steps):
            own.add([Claim(number, receiver + host, host)], now=number)
            under_way += [claim for claim, _ in own.start()]
            if ends and under_way:
                own.ended(under_way.pop(0), now=number)
                ended += 1
            assert len(under_way) == own.under_way <= 6
            for one in under_way:
                assert sum(other.receiver == one.receiver for other in under_way) <= 2
                assert sum(other.host == one.host for other in under_way) <= 3

        given_back = own.give_back(now=1e9)

        assert len(given_back) + len(under_way) + ended == len(steps)
        assert own.waiting == 0


class TestGiveBack:
    def test_returns_what_waits_where_nothing_moves(self) -> None:
        own = lanes()
        own.add(claims(6), now=0)
        own.add(claims(1, "b", "b"), now=0)
        list(own.start())

        assert own.give_back(now=STUCK_S) == []
        assert [one.number for one in own.give_back(now=STUCK_S + 0.1)] == [4, 5]
        assert own.held == 5

    def test_leaves_what_waits_where_something_moves(self) -> None:
        own = lanes()
        own.add(claims(6), now=0)
        first, *_ = [claim for claim, _ in own.start()]
        own.ended(first, now=STUCK_S)

        assert own.give_back(now=STUCK_S + 0.5) == []

    def test_returns_what_has_waited_for_half_the_margin_whatever_moves(self) -> None:
        own = lanes(longest_wait_s=3)
        own.add(claims(6), now=0)
        first, *_ = [claim for claim, _ in own.start()]
        own.ended(first, now=3)

        assert [one.number for one in own.give_back(now=3.1)] == [4, 5]

    def test_returns_everything_to_a_worker_that_stops(self) -> None:
        own = lanes()
        own.add(claims(6), now=0)
        list(own.start())

        assert len(own.give_back(now=0, everything=True)) == 2


class TestPaces:
    def learnt(self, *took_s: float, good: bool = True) -> Paces:
        paces = Paces()
        for one in took_s:
            paces.learn(Claim(0), took_s=one, good=good)
        return paces

    def test_claim_ahead_for_a_receiver_that_answers_fast(self) -> None:
        paces = self.learnt(*[0.01] * KNOWN_AFTER)

        assert paces.ahead(at_once=4) == ({"a": MOST_AHEAD}, {"h": MOST_AHEAD})

    def test_claim_as_much_as_it_takes_in_half_a_second(self) -> None:
        paces = self.learnt(*[0.1] * KNOWN_AFTER)

        assert paces.ahead(at_once=4) == ({"a": 20}, {"h": 20})

    @pytest.mark.parametrize(
        "took_s", [[], [0.01] * (KNOWN_AFTER - 1), [AHEAD_S] * 9, [0.01] * 9 + [AHEAD_S * 2]]
    )
    def test_claim_nothing_ahead_for_a_slow_or_unknown_one(self, took_s: list[float]) -> None:
        assert self.learnt(*took_s).ahead(at_once=4) == ({}, {})

    def test_forget_a_receiver_that_fails(self) -> None:
        paces = self.learnt(*[0.01] * 9)
        paces.learn(Claim(0), took_s=0.01, good=False)

        assert paces.ahead(at_once=4) == ({}, {})

    def test_add_up_for_a_host(self) -> None:
        paces = self.learnt(*[0.1] * KNOWN_AFTER)
        for _ in range(KNOWN_AFTER):
            paces.learn(Claim(0, "b"), took_s=0.2, good=True)

        assert paces.ahead(at_once=4) == ({"a": 20, "b": 10}, {"h": 30})
