"""The native schedule, and the rules of any schedule."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import schedule

draws = st.floats(min_value=0, max_value=1, exclude_max=True)


class TestNative:
    @pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 30), (3, 300)])
    def test_waits_what_the_contract_states(self, failures: int, seconds: int) -> None:
        assert schedule.delay(schedule.NATIVE, failures=failures, draw=0.99) == dt.timedelta(
            seconds=seconds
        )

    def test_ends_after_the_first_post_and_three_retries(self) -> None:
        assert schedule.NATIVE.max_attempts == 4
        assert schedule.delay(schedule.NATIVE, failures=4, draw=0) is None

    @given(failures=st.integers(1, 10), draw=draws)
    def test_adds_no_jitter_whatever_is_drawn(self, failures: int, draw: float) -> None:
        assert schedule.delay(schedule.NATIVE, failures=failures, draw=draw) == schedule.delay(
            schedule.NATIVE, failures=failures, draw=0
        )


class TestRegistered:
    def test_makes_ten_attempts_over_75_hours(self) -> None:
        waits = [schedule.delay(schedule.REGISTERED, failures=n, draw=0) for n in range(1, 10)]

        assert schedule.REGISTERED.max_attempts == 10
        assert [wait and wait.total_seconds() for wait in waits] == [
            *(5, 300, 1800),
            *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)),
        ]
        assert 75 <= sum(schedule.REGISTERED.delays_s) / 3600 < 76
        assert schedule.delay(schedule.REGISTERED, failures=10, draw=0) is None

    def test_only_ever_adds_to_a_step(self) -> None:
        latest = schedule.delay(schedule.REGISTERED, failures=9, draw=0.999)

        assert dt.timedelta(hours=26) < (latest or dt.timedelta(0)) < dt.timedelta(hours=26.4)


class TestBifrost:
    @pytest.mark.parametrize(("failures", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240)])
    def test_doubles_from_30_s_and_spreads_a_fifth_either_way(
        self, failures: int, seconds: int
    ) -> None:
        earliest, middle, latest = (
            schedule.delay(schedule.BIFROST, failures=failures, draw=draw)
            for draw in (0.0, 0.5, 0.999999)
        )

        assert earliest == dt.timedelta(seconds=seconds * 0.8)
        assert middle == dt.timedelta(seconds=seconds)
        assert latest is not None
        assert dt.timedelta(seconds=seconds * 1.19) < latest < dt.timedelta(seconds=seconds * 1.2)

    def test_ends_after_the_first_try_and_four_retries(self) -> None:
        assert schedule.delay(schedule.BIFROST, failures=5, draw=0) is None


class TestAnySchedule:
    @given(
        delays=st.lists(st.integers(0, 100_000), max_size=12).map(tuple),
        jitter=st.floats(0, 1),
        shorten=st.floats(0, 1),
        failures=st.integers(1, 20),
        draw=draws,
    )
    def test_waits_between_the_shortest_and_the_longest_that_its_jitter_allows(
        self, delays: tuple[int, ...], jitter: float, shorten: float, failures: int, draw: float
    ) -> None:
        drawn = schedule.Schedule(delays_s=delays, jitter=jitter, shorten=shorten)

        wait = schedule.delay(drawn, failures=failures, draw=draw)

        stated = delays[failures - 1 : failures]
        assert (wait is None) == (not stated)
        assert wait is None or wait >= dt.timedelta(
            seconds=stated[0] * (1 - shorten), microseconds=-1
        )
        assert wait is None or wait <= dt.timedelta(
            seconds=stated[0] * (1 + jitter), microseconds=1
        )

    def test_refuses_to_count_no_failure(self) -> None:
        with pytest.raises(ValueError, match="failures is 0"):
            schedule.delay(schedule.NATIVE, failures=0, draw=0)
