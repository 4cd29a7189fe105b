"""The error tree: stable codes, and the outline at its top tells the truth."""

import inspect
import re

from genie.core import errors

CLASSES = {
    name: one
    for name, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, errors.GenieError)
}
OUTLINE = re.findall(
    r"^ +(\w+) +(\d{3})  ([a-z-]+)( +\(retryable\))?$", errors.__doc__ or "", re.MULTILINE
)


class TestOutline:
    def test_names_every_class_with_its_status_and_code(self) -> None:
        told = {name: (int(status), code, bool(retry)) for name, status, code, retry in OUTLINE}
        real = {
            name: (one.http_status, one.code, one.retryable)
            for name, one in CLASSES.items()
            if name not in ("GenieError", "RetryLater")
        }

        assert told == real


class TestBody:
    def test_is_flat(self) -> None:
        error = errors.BudgetCapHit("Budget cap reached: org_daily_cap", capLayer="org")

        assert error.body() == {
            "error": "Budget cap reached: org_daily_cap",
            "code": "budget-cap-hit",
            "capLayer": "org",
        }

    def test_names_the_field(self) -> None:
        assert errors.InvalidRequest.of("n", "must be 1 to 8").body() == {
            "error": "n: must be 1 to 8",
            "code": "invalid-request",
            "details": [{"field": "n", "message": "must be 1 to 8"}],
        }

    def test_says_when_to_come_back_in_whole_seconds(self) -> None:
        assert errors.QueueFull("Full.", retry_after_s=1.2).headers == {"Retry-After": "2"}
        assert errors.Unavailable("Away.", retry_after_s=0).headers == {"Retry-After": "1"}
