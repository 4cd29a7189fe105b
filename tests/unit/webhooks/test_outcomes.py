"""What an answer means, over all answers and all places in the schedule."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import outcomes, schedule
from webhooks.errors import ErrorClass
from webhooks.outcomes import Answered, Delivered, GiveUp, RetryAt

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def decide(answered: Answered, earlier_failures: int = 0) -> outcomes.Outcome:
    return outcomes.decide(
        answered, schedule=schedule.NATIVE, earlier_failures=earlier_failures, now=NOW, draw=0.5
    )


class TestDecide:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_delivers_on_2xx(self, status: int) -> None:
        assert decide(Answered(status=status)) == Delivered()

    @pytest.mark.parametrize(
        "status", [199, 300, 301, 302, 304, 307, 308, 400, 404, 410, 429, 500, 503, 599]
    )
    def test_retries_on_anything_else_redirects_included(self, status: int) -> None:
        assert decide(Answered(status=status)) == RetryAt(
            at=NOW + dt.timedelta(seconds=5), reason=f"http-{status}"
        )

    @pytest.mark.parametrize("error", sorted(set(ErrorClass) - outcomes.PERMANENT))
    def test_retries_on_an_error_that_may_pass(self, error: ErrorClass) -> None:
        assert decide(Answered(error_class=error)) == RetryAt(
            at=NOW + dt.timedelta(seconds=5), reason=error.value
        )

    @pytest.mark.parametrize("error", sorted(outcomes.PERMANENT))
    def test_gives_up_at_once_on_an_error_that_no_retry_mends(self, error: ErrorClass) -> None:
        assert decide(Answered(error_class=error)) == GiveUp(reason=error.value)

    @pytest.mark.parametrize(("earlier", "seconds"), [(0, 5), (1, 30), (2, 300)])
    def test_follows_the_schedule(self, earlier: int, seconds: int) -> None:
        assert decide(Answered(status=500), earlier) == RetryAt(
            at=NOW + dt.timedelta(seconds=seconds), reason="http-500"
        )

    def test_gives_up_when_the_schedule_is_used_up(self) -> None:
        assert decide(Answered(status=500), 3) == GiveUp(reason="http-500")

    def test_takes_no_2xx_that_was_cut_off_for_a_delivery(self) -> None:
        assert decide(Answered(status=200, error_class=ErrorClass.TIMEOUT)) == RetryAt(
            at=NOW + dt.timedelta(seconds=5), reason="timeout"
        )

    @given(
        status=st.none() | st.integers(100, 599),
        error=st.none() | st.sampled_from(ErrorClass),
        earlier=st.integers(0, 50),
    )
    def test_ends_every_delivery_after_at_most_four_failures(
        self, status: int | None, error: ErrorClass | None, earlier: int
    ) -> None:
        outcome = decide(Answered(status=status, error_class=error), earlier)

        assert not (isinstance(outcome, RetryAt) and earlier >= 3)
        assert not isinstance(outcome, RetryAt) or outcome.at > NOW
