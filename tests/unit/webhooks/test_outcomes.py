"""What an answer means, over all answers and all places in the schedule."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import formats, outcomes
from webhooks.errors import ErrorClass
from webhooks.outcomes import Answered, Delivered, DisableEndpoint, GiveUp, RetryAt

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def decide(
    answered: Answered, earlier_failures: int = 0, *, schedule: str = "native", draw: float = 0.5
) -> outcomes.Outcome:
    return outcomes.decide(
        answered,
        rules=formats.RULES[schedule],
        earlier_failures=earlier_failures,
        now=NOW,
        draw=draw,
    )


def waits_s(outcome: outcomes.Outcome) -> float:
    assert isinstance(outcome, RetryAt)
    return (outcome.at - NOW).total_seconds()


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


answers = st.builds(
    Answered,
    status=st.none() | st.integers(100, 599),
    error_class=st.none() | st.sampled_from(ErrorClass),
    retry_after=st.none()
    | st.timedeltas(dt.timedelta(0), dt.timedelta(days=365))
    | st.datetimes(timezones=st.just(dt.UTC)),
).filter(lambda one: one.status is not None or one.error_class is not None)  # fmt: skip


class TestDecideForAnEndpoint:
    def test_disables_it_on_410(self) -> None:
        for schedule in ("registered", "bifrost", "inference_net"):
            assert decide(Answered(status=410), schedule=schedule) == DisableEndpoint(
                reason="http-410"
            )

    def test_takes_no_410_that_was_cut_off_for_a_farewell(self) -> None:
        cut_off = Answered(status=410, error_class=ErrorClass.RESET)

        assert isinstance(decide(cut_off, schedule="registered"), RetryAt)

    @pytest.mark.parametrize("status", [301, 400, 404, 408, 429, 500, 503])
    def test_retries_any_other_failure_of_a_native_delivery(self, status: int) -> None:
        assert isinstance(decide(Answered(status=status), schedule="registered"), RetryAt)

    @pytest.mark.parametrize(
        ("asked", "seconds"),
        [
            (None, 300),
            (dt.timedelta(seconds=10), 300),
            (dt.timedelta(minutes=20), 1200),
            (NOW + dt.timedelta(minutes=20), 1200),
            (NOW - dt.timedelta(minutes=20), 300),
            (dt.timedelta(days=30), 86_400),
        ],
    )
    def test_waits_as_long_as_the_receiver_asks_within_bounds(
        self, asked: dt.timedelta | dt.datetime | None, seconds: int
    ) -> None:
        answer = Answered(status=429, retry_after=asked)

        assert waits_s(decide(answer, 1, schedule="registered", draw=0)) == seconds

    def test_keeps_to_a_schedule_that_a_contract_states(self) -> None:
        answer = Answered(status=503, retry_after=dt.timedelta(hours=1))

        assert waits_s(decide(answer)) == 5
        assert waits_s(decide(answer, schedule="bifrost", draw=0.5)) == 30
        assert waits_s(decide(answer, schedule="inference_net")) == 5

    @pytest.mark.parametrize(
        ("schedule", "retried", "permanent"),
        [
            ("bifrost", [408, 429, 500, 503, 599], [301, 307, 400, 401, 404, 409, 422, 499]),
            ("inference_net", [500, 502, 503, 599], [301, 307, 400, 404, 408, 429, 499]),
        ],
    )
    def test_retries_what_the_contract_of_the_format_says(
        self, schedule: str, retried: list[int], permanent: list[int]
    ) -> None:
        for status in retried:
            assert isinstance(decide(Answered(status=status), schedule=schedule), RetryAt)
        for status in permanent:
            assert decide(Answered(status=status), schedule=schedule) == GiveUp(
                reason=f"http-{status}"
            )
        assert isinstance(
            decide(Answered(error_class=ErrorClass.RESET), schedule=schedule), RetryAt
        )

    @pytest.mark.parametrize("earlier", range(3))
    def test_never_repeats_a_test(self, earlier: int) -> None:
        assert isinstance(decide(Answered(status=500), earlier, schedule="once"), GiveUp)

    @given(
        answered=answers,
        schedule=st.sampled_from(sorted(formats.RULES)),
        earlier=st.integers(0, 30),
        draw=st.floats(0, 1, exclude_max=True),
    )
    def test_is_total_and_ends_within_the_schedule(
        self, answered: Answered, schedule: str, earlier: int, draw: float
    ) -> None:
        rules = formats.RULES[schedule]

        outcome = decide(answered, earlier, schedule=schedule, draw=draw)

        assert isinstance(outcome, Delivered) == answered.ok
        if isinstance(outcome, RetryAt):
            longest = max(rules.schedule.delays_s) * (1 + rules.schedule.jitter)
            assert earlier + 1 < rules.schedule.max_attempts
            assert 0 < waits_s(outcome) <= max(longest, rules.retry_after_max.total_seconds())
        if isinstance(outcome, DisableEndpoint):
            assert rules.gone_disables
