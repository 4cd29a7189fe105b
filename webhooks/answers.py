"""What a receiver answered, as values; pure."""

import datetime as dt
import email.utils
import re
from dataclasses import dataclass

# RFC 9110 gives a number of seconds no end; a year is longer than anybody waits for.
MAX_RETRY_AFTER = dt.timedelta(days=365)

_SECONDS = re.compile(r"0*([0-9]{1,4000})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer, or one cut off at the transport's limit."""

    status: int
    head: bytes  # the beginning of the body, as received
    retry_after: dt.timedelta | dt.datetime | None = None  # from now, or an instant; else absent


def retry_after(value: str | None) -> dt.timedelta | dt.datetime | None:
    """Return what a ``Retry-After`` header asks for, or None where it says nothing that we can read.

    A number is a wait from the answer on; a date is an instant of the receiver's clock, which whoever
    uses it compares with ours. Neither is bounded here beyond a year: how long is too long is policy.

    >>> retry_after("120")
    datetime.timedelta(seconds=120)
    >>> retry_after("Wed, 21 Oct 2026 07:28:00 GMT")
    datetime.datetime(2026, 10, 21, 7, 28, tzinfo=datetime.timezone.utc)
    >>> retry_after("99999999999999")
    datetime.timedelta(days=365)
    >>> retry_after("soon") is None
    True
    """
    text = (value or "").strip()
    if found := _SECONDS.fullmatch(text):
        longest_s = int(MAX_RETRY_AFTER.total_seconds())
        return dt.timedelta(seconds=min(int(found[1]), longest_s))
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    # An HTTP date is in GMT; one that says otherwise, or nothing, is no HTTP date.
    return at.astimezone(dt.UTC) if at.utcoffset() == dt.timedelta() else None
