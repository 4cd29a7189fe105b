"""Places as cursors: whatever time a caller begins at, the cursor that it is given leads on."""

import datetime as dt

import pytest

from webhooks import naming

TIMES = [
    dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    dt.datetime(1883, 6, 28, 5, 42, 21, tzinfo=dt.timezone(dt.timedelta(hours=10, minutes=3))),
    dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    dt.datetime(9999, 12, 31, tzinfo=dt.UTC),
]


@pytest.mark.parametrize("since", TIMES, ids=lambda one: str(one.year))
def test_a_beginning_is_a_cursor_whenever_it_is(since: dt.datetime) -> None:
    place = naming.beginning(since)

    assert naming.decode_cursor(naming.encode_cursor(place)) == place


def test_a_beginning_within_reason_is_what_was_said() -> None:
    since = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

    assert naming.beginning(since).at == since
