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


class TestAnySchedule:
    @given(
        delays=st.lists(st.integers(0, 100_000), max_size=12).map(tuple),
        jitter=st.floats(0, 1),
        failures=st.integers(1, 20),
        draw=draws,
    )
    def test_waits_between_the_delay_and_the_delay_with_all_its_jitter(
        self, delays: tuple[int, ...], jitter: float, failures: int, draw: float
    ) -> None:
        wait = schedule.delay(
            schedule.Schedule(delays_s=delays, jitter=jitter), failures=failures, draw=draw
        )

        stated = delays[failures - 1 : failures]
        assert (wait is None) == (not stated)
        assert wait is None or dt.timedelta(seconds=stated[0]) <= wait
        assert wait is None or wait <= dt.timedelta(
            seconds=stated[0] * (1 + jitter), microseconds=1
        )

    def test_refuses_to_count_no_failure(self) -> None:
        with pytest.raises(ValueError, match="failures is 0"):
            schedule.delay(schedule.NATIVE, failures=0, draw=0)
