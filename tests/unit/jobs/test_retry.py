"""Pauses between attempts: none, then growing, then bounded."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from jobs import retry

ATTEMPTS = st.integers(1, 30)


class TestDelay:
    def test_examples_hold(self) -> None:
        assert doctest.testmod(retry).failed == 0

    @given(ATTEMPTS)
    def test_never_shrinks_and_never_passes_the_bound(self, attempt: int) -> None:
        delay = retry.delay_s(attempt=attempt)

        assert 0 <= delay <= retry.MAX_DELAY_S
        assert delay <= retry.delay_s(attempt=attempt + 1)

    def test_one_lost_worker_costs_no_time(self) -> None:
        assert retry.delay_s(attempt=1) == 0

    def test_reaches_the_bound(self) -> None:
        assert retry.delay_s(attempt=30) == retry.MAX_DELAY_S
