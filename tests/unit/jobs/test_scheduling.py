"""Turns by virtual time: small cases worked out by hand, and what any history must keep."""

import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.scheduling import Bookings, Caller, Weights

SHOP, LAB = uuid.UUID(int=1), uuid.UUID(int=2)
OLGA, PETE, RUTH = (uuid.UUID(int=n) for n in (11, 12, 13))

callers = st.tuples(st.sampled_from([None, SHOP, LAB]), st.sampled_from([None, OLGA, PETE]))
works = st.integers(1, 20)
jobs = st.lists(st.tuples(callers, works), min_size=1, max_size=25)
weights = st.builds(
    Weights,
    organization=st.integers(50, 400),
    applications=st.dictionaries(st.sampled_from([SHOP, LAB]), st.integers(10, 300)),
)


class TestBook:
    def test_one_caller_alone_is_served_in_a_row(self) -> None:
        alone = Bookings(10.0, {}, Weights())

        assert [alone.book((SHOP, OLGA), work) for work in (2.0, 3.0, 1.0)] == [10.0, 12.0, 15.0]
        assert alone.until((SHOP, OLGA)) == 16.0

    def test_twice_the_weight_is_half_the_time(self) -> None:
        heavy = Bookings(0.0, {}, Weights(organization=200))

        assert [heavy.book((SHOP, OLGA), 2.0) for _ in range(3)] == [0.0, 1.0, 2.0]

    def test_who_comes_to_a_thousand_of_a_colleagues_jobs_goes_next(self) -> None:
        shared = Bookings(0.0, {}, Weights())
        theirs = [shared.book((SHOP, OLGA), 1.0) for _ in range(1000)]

        mine = shared.book((SHOP, PETE), 1.0)

        assert theirs[0] < mine < theirs[1]

    def test_members_share_the_part_of_their_application(self) -> None:
        shared = Bookings(0.0, {}, Weights())
        for caller in ((SHOP, OLGA), (SHOP, PETE), (LAB, RUTH)):
            shared.book(caller, 1.0)

        ends = {}
        for caller in ((SHOP, OLGA), (SHOP, PETE), (LAB, RUTH)):
            before = shared.until(caller)
            shared.book(caller, 1.0)
            ends[caller] = shared.until(caller) - before

        assert ends == {(SHOP, OLGA): 4.0, (SHOP, PETE): 4.0, (LAB, RUTH): 2.0}

    def test_an_applications_weight_is_its_part(self) -> None:
        shared = Bookings(0.0, {(LAB, RUTH): 99.0}, Weights(applications={SHOP: 300}))

        shared.book((SHOP, OLGA), 3.0)

        assert shared.until((SHOP, OLGA)) == pytest.approx(4.0)

    def test_a_hundred_callers_space_their_first_jobs_as_one_would(self) -> None:
        shared = Bookings(0.0, {}, Weights())

        tags = [shared.book((SHOP, uuid.UUID(int=n)), 1.0) for n in range(100)]

        assert tags == pytest.approx(list(range(100)), abs=1e-5)

    def test_an_end_that_has_passed_is_forgotten(self) -> None:
        later = Bookings(50.0, {(SHOP, OLGA): 20.0, (LAB, PETE): 50.0}, Weights())

        assert later.book((SHOP, OLGA), 1.0) == 50.0
        assert later.until((SHOP, OLGA)) == 51.0

    @given(jobs, weights)
    def test_a_callers_jobs_keep_their_order(
        self, jobs: list[tuple[Caller, int]], of: Weights
    ) -> None:
        line = Bookings(7.0, {}, of)
        tags: dict[Caller, list[float]] = {}

        for caller, seconds in jobs:
            tags.setdefault(caller, []).append(line.book(caller, float(seconds)))

        assert all(own == sorted(own) and own[0] >= 7.0 for own in tags.values())

    @given(jobs, weights)
    def test_nobody_books_faster_than_its_organisation(
        self, jobs: list[tuple[Caller, int]], of: Weights
    ) -> None:
        line = Bookings(0.0, {}, of)
        own: Counter[Caller] = Counter()

        for caller, seconds in jobs:
            line.book(caller, float(seconds))
            own[caller] += seconds

        assert all(
            line.until(caller) >= seconds * 100 / of.organization - 1e-6
            for caller, seconds in own.items()
        )

    @given(jobs, works)
    def test_a_colleague_delays_a_first_job_by_no_more_than_its_own_work(
        self, jobs: list[tuple[Caller, int]], mine: int
    ) -> None:
        line = Bookings(0.0, {}, Weights())
        for caller, seconds in jobs:
            line.book(caller, float(seconds))
        applications = {application for (application, _), _ in jobs} | {LAB}
        members = {member for (application, member), _ in jobs if application == LAB} | {RUTH}

        tag = line.book((LAB, RUTH), float(mine))

        assert tag <= (len(applications) * len(members) - 1) * mine


class Everybody:
    """Organisations whose callers always have so many jobs waiting, served one by one."""

    def __init__(self, weights: dict[str, Weights], depths: dict[tuple[str, Caller], int]) -> None:
        self._weights = weights
        self._now = 0.0
        self._ends: dict[str, dict[Caller, float]] = {name: {} for name in weights}
        self._waiting: list[tuple[float, int, tuple[str, Caller]]] = []
        self._count = 0
        for _ in range(max(depths.values())):
            for who, depth in depths.items():
                if sum(1 for one in self._waiting if one[2] == who) < depth:
                    self._submit(who)

    def serve(self, jobs: int) -> Counter[tuple[str, Caller]]:
        """Serve so many jobs; return how many of each."""
        served: Counter[tuple[str, Caller]] = Counter()
        for _ in range(jobs):
            job = min(self._waiting)
            self._waiting.remove(job)
            self._now = max(self._now, job[0])
            served[job[2]] += 1
            self._submit(job[2])
        return served

    def _submit(self, who: tuple[str, Caller]) -> None:
        name, caller = who
        head = min((one[0] for one in self._waiting), default=self._now)
        line = Bookings(min(self._now, head), self._ends[name], self._weights[name])
        self._count += 1
        self._waiting.append((line.book(caller, 1.0), self._count, who))
        self._ends[name][caller] = line.until(caller)


class TestFairness:
    def test_many_members_or_deep_queues_get_an_organisation_no_more(self) -> None:
        depths: dict[tuple[str, Caller], int] = {("few", (SHOP, OLGA)): 2}
        depths |= {("many", (SHOP, uuid.UUID(int=n))): 1 + n % 5 for n in range(8)}
        everybody = Everybody({"few": Weights(), "many": Weights()}, depths)
        everybody.serve(200)

        served = everybody.serve(400)

        assert 190 <= served["few", (SHOP, OLGA)] <= 210
        assert all(20 <= jobs <= 30 for (name, _), jobs in served.items() if name == "many")

    def test_weights_decide_on_both_levels(self) -> None:
        depths: dict[tuple[str, Caller], int] = {
            ("big", (SHOP, OLGA)): 4,
            ("big", (LAB, PETE)): 9,
            ("small", (SHOP, OLGA)): 6,
        }
        weights = {"big": Weights(organization=300, applications={SHOP: 200}), "small": Weights()}
        everybody = Everybody(weights, depths)
        everybody.serve(100)

        served = everybody.serve(400)

        assert served["small", (SHOP, OLGA)] == pytest.approx(100, abs=5)
        assert served["big", (SHOP, OLGA)] == pytest.approx(200, abs=8)
        assert served["big", (LAB, PETE)] == pytest.approx(100, abs=8)

    @given(
        st.lists(st.integers(1, 6), min_size=2, max_size=5),
        st.lists(st.sampled_from([10, 50, 100, 400]), min_size=5, max_size=5),
    )
    def test_nobody_starves(self, depths: list[int], weights: list[int]) -> None:
        names = {str(n): Weights(organization=weights[n]) for n in range(len(depths))}
        everybody = Everybody(
            names, {(name, (SHOP, OLGA)): depth for name, depth in zip(names, depths, strict=True)}
        )
        rounds = 2 * sum(one.organization for one in names.values()) // 10 + sum(depths)

        served = everybody.serve(rounds)

        assert {name for name, _ in served} == set(names)

    @given(st.lists(st.tuples(st.integers(0, 3), works), min_size=1, max_size=60), works)
    def test_who_has_waited_is_passed_by_no_more_than_the_others_turns(
        self, coming: list[tuple[int, int]], mine: int
    ) -> None:
        others = [Bookings(0.0, {}, Weights()) for _ in range(4)]
        tag = Bookings(0.0, {}, Weights()).book((SHOP, OLGA), float(mine))

        passing = [others[who].book((SHOP, OLGA), float(seconds)) for who, seconds in coming]

        # Each has at most one job that begins before, at the same time, or with mine.
        before = [who for (who, _), one in zip(coming, passing, strict=True) if one <= tag]
        assert len(before) == len(set(before))
