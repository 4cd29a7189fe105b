"""The public ids of endpoints, and the cursors of lists; pure."""

import base64
import binascii
import datetime as dt
import uuid
from typing import NamedTuple

from genie.core import ids

ENDPOINT_PREFIX = "wh_"
EVENT_PREFIX = "evt_"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_YEAR_3000 = 32_503_680_000 * 10**6
_LAST = _EPOCH + (_YEAR_3000 - 1) * _MICROSECOND


class Place(NamedTuple):
    """Where a page of a list begins: behind the row of this time and id."""

    at: dt.datetime
    row_id: uuid.UUID


def endpoint_id(value: uuid.UUID) -> str:
    """Return an endpoint's id as answers and headers show it.

    >>> endpoint_id(uuid.UUID(int=35))
    'wh_c00000000000000000000000z'
    """
    return ENDPOINT_PREFIX + ids.bare(value)


def event_id(value: uuid.UUID) -> str:
    """Return an event's id as answers show it."""
    return EVENT_PREFIX + ids.bare(value)


def parse_endpoint_id(text: str) -> uuid.UUID | None:
    """Return the id behind ``wh_...`` or the UUID form; None for anything else.

    >>> parse_endpoint_id("wh_c00000000000000000000000z")
    UUID('00000000-0000-0000-0000-000000000023')
    >>> parse_endpoint_id("ops") is None
    True
    """
    if text.startswith(ENDPOINT_PREFIX):
        text = text.removeprefix(ENDPOINT_PREFIX)
        return ids.parse(text) if text.startswith("c") and "-" not in text else None
    return ids.parse(text) if len(text) == 36 else None


def encode_cursor(place: Place) -> str:
    """Return a place as callers carry it, opaque to them.

    >>> decode_cursor(encode_cursor(Place(_EPOCH, uuid.UUID(int=7)))) == Place(
    ...     _EPOCH, uuid.UUID(int=7)
    ... )
    True
    """
    micros = (place.at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(micros.to_bytes(8) + place.row_id.bytes).decode()


def decode_cursor(text: str) -> Place | None:
    """Return the place that was encoded, or None for anything else.

    >>> decode_cursor("nonsense") is None
    True
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    micros = int.from_bytes(raw[:8])
    if len(raw) != 24 or micros >= _YEAR_3000:
        return None
    return Place(_EPOCH + micros * _MICROSECOND, uuid.UUID(bytes=raw[8:]))


def beginning(since: dt.datetime | None) -> Place:
    """Return the place before everything of a time or later; None is before everything.

    A time that no event can have is brought to the nearest that a cursor has room for.
    """
    return Place(min(max(since or _EPOCH, _EPOCH), _LAST), uuid.UUID(int=0))
