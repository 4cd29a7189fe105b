"""From the script's answer to what the caller is told."""

import pytest

from genie.core import errors
from genie.tenants import ratelimit
from genie.tenants.ratelimit import UNLIMITED, Decision

SECOND = 1_000_000


class TestDecide:
    def test_reports_the_window_with_the_fewest_left(self) -> None:
        decision = ratelimit.decide([1, 2, 50 * SECOND, 9, 3600 * SECOND], rpm=10, rpd=10)

        assert decision == Decision(allowed=True, limit=10, remaining=1, reset_s=3600)

    def test_rounds_a_wait_up_so_that_waiting_it_out_helps(self) -> None:
        decision = ratelimit.decide([0, 10, 12 * SECOND + 1, 0, 0], rpm=10, rpd=None)

        assert (decision.remaining, decision.retry_after_s, decision.reset_s) == (0, 13, 13)

    def test_names_the_later_of_two_full_windows(self) -> None:
        decision = ratelimit.decide([0, 10, 5 * SECOND, 20, 3600 * SECOND], rpm=10, rpd=20)

        assert (decision.limit, decision.retry_after_s) == (20, 3600)

    def test_names_the_full_window_and_not_the_emptier_one(self) -> None:
        decision = ratelimit.decide([0, 10, 5 * SECOND, 3, 3600 * SECOND], rpm=10, rpd=20)

        assert (decision.limit, decision.retry_after_s) == (10, 5)

    def test_says_none_remain_where_a_limit_was_lowered(self) -> None:
        decision = ratelimit.decide([0, 50, 5 * SECOND, 0, 0], rpm=10, rpd=None)

        assert (decision.remaining, decision.retry_after_s) == (0, 5)


class TestDecision:
    def test_has_no_headers_where_nothing_was_counted(self) -> None:
        assert UNLIMITED.headers() == {}
        UNLIMITED.require()

    def test_shows_an_allowed_caller_what_is_left(self) -> None:
        decision = Decision(allowed=True, limit=10, remaining=9, reset_s=60)

        assert decision.headers() == {
            "X-RateLimit-Limit": "10",
            "X-RateLimit-Remaining": "9",
            "X-RateLimit-Reset": "60",
        }

    def test_tells_a_refused_caller_when_to_come_back(self) -> None:
        decision = Decision(allowed=False, limit=10, reset_s=7, retry_after_s=7)

        with pytest.raises(errors.RateLimited) as caught:
            decision.require()

        assert caught.value.headers == {
            "Retry-After": "7",
            "X-RateLimit-Limit": "10",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "7",
        }
        assert (caught.value.code, caught.value.http_status) == ("rate-limited", 429)
