"""Retry-After, as RFC 9110 writes it and as receivers do."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import answers

INSTANT = dt.datetime(1994, 11, 6, 8, 49, 37, tzinfo=dt.UTC)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), (" 120 ", 120), ("0007", 7)])
def test_a_number_is_a_wait_in_seconds(text: str, seconds: int) -> None:
    assert answers.retry_after(text) == dt.timedelta(seconds=seconds)


def test_a_wait_is_never_longer_than_a_year() -> None:
    assert answers.retry_after("9999999999") == dt.timedelta(days=365)


def test_a_date_is_an_instant() -> None:
    assert answers.retry_after("Sun, 06 Nov 1994 08:49:37 GMT") == INSTANT


@pytest.mark.parametrize("text", ["12345678901", "9" * 4000, "0" * 20 + "99999999"])
def test_a_number_beyond_a_year_is_a_year(text: str) -> None:
    assert answers.retry_after(text) == answers.MAX_RETRY_AFTER


@pytest.mark.parametrize(
    "text",
    [
        None, "", " ", "-1", "1.5", "1e3", "soon", "١٢", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 +0200", "Sun, 99 Nov 1994 08:49:37 GMT", "2026-11-20T00:00:00Z", "\x00",
    ],
)  # fmt: skip
def test_anything_else_says_nothing(text: str | None) -> None:
    assert answers.retry_after(text) is None


@given(text=st.text())
def test_no_header_raises(text: str) -> None:
    found = answers.retry_after(text)

    assert found is None or isinstance(found, dt.timedelta) or found.utcoffset() == dt.timedelta()
