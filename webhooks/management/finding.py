"""What operators type, and the endpoints, deliveries and times that they mean by it."""

import datetime as dt
import re
import uuid

from django.utils.dateparse import parse_datetime

from genie.core import errors, ids
from webhooks import naming, selectors
from webhooks.models import Endpoint

_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def endpoint(reference: str, organization_id: uuid.UUID | None) -> Endpoint:
    """Return the endpoint with this id or name.

    Raises:
        NotFound: There is none.
        InvalidRequest: Several organisations have one of this name.
    """
    known = naming.parse_endpoint_id(reference)
    if known is not None:
        found = selectors.endpoint(known, organization_id=organization_id)
        candidates = [found] if found else []
    else:
        candidates = selectors.endpoints_named(reference, organization_id=organization_id)
    if len(candidates) > 1:
        raise errors.InvalidRequest(
            f"Several organizations have an endpoint {reference[:64]!r}; say which with --org."
        )
    if not candidates:
        raise errors.NotFound(f"There is no endpoint {reference[:64]!r}.")
    return candidates[0]


def delivery_id(reference: str) -> uuid.UUID | None:
    """Return the id of a delivery, or None if this is not one."""
    return ids.parse(reference) if len(reference) == 36 else None


def moment(text: str, *, now: dt.datetime) -> dt.datetime:
    """Return the time that ``text`` names: an age like ``12h``, or a time in ISO form.

    Raises:
        InvalidRequest: It names none.
    """
    if age := _AGE.fullmatch(text):
        return now - dt.timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        named = parse_datetime(text)
    except ValueError:
        named = None
    if named is None:
        raise errors.InvalidRequest(
            f"{text[:64]!r} is no time; write one like 30m, 12h, 5d or 2026-03-01T12:00:00Z."
        )
    return named if named.tzinfo else named.replace(tzinfo=dt.UTC)
