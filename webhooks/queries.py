"""The parameters of lists, read strictly: one that is unknown or malformed is refused."""

import datetime as dt
import re
from collections.abc import Collection, Mapping
from typing import NoReturn

from django.http import QueryDict

from genie.core import errors
from webhooks import naming
from webhooks.event_types import TEST, EventType
from webhooks.models import State
from webhooks.naming import Place
from webhooks.selectors import LogFilter

PAGE = 50
LARGEST_PAGE = 100
MAX_WAIT_S = 30
STATES = tuple(State.values)  # of deliveries, as filters name them

_WAIT = re.compile(r"(?:^|[\s,;])wait=(\d{1,4})(?:$|[\s,;])")
_LOG_PARAMETERS = ("state", "event", "since", "until", "cursor", "limit")
_EVENT_PARAMETERS = ("types", "since", "after", "limit")


class EventQuery:
    """What a pull of events asks for.

    Raises:
        InvalidRequest: A parameter is malformed or unknown.
    """

    def __init__(self, query: QueryDict, *, prefer: str) -> None:
        _require_known(query, _EVENT_PARAMETERS)
        if "after" in query and "since" in query:
            _refuse("since", "goes without 'after', which says where to go on.")
        self.types = _types(query.get("types"))
        self.limit = _limit(query.get("limit"))
        self.after = _cursor(query, "after") or naming.beginning(_moment(query, "since"))
        wait = _WAIT.search(prefer)
        self.wait_s = min(int(wait[1]), MAX_WAIT_S) if wait else 0


def log_filter(query: QueryDict) -> LogFilter:
    """Return which deliveries a list asks for, one more than its page to tell whether there are more.

    Raises:
        InvalidRequest: A parameter is malformed or unknown.
    """
    _require_known(query, _LOG_PARAMETERS)
    state = query.get("state")
    if state is not None and state not in State.values:
        _refuse("state", f"must be one of {', '.join(State.values)}.")
    event_type = query.get("event")
    return LogFilter(
        state=state,
        event_type=None if event_type is None else _clean(event_type, "event"),
        since=_moment(query, "since"),
        until=_moment(query, "until"),
        before=_cursor(query, "cursor"),
        limit=_limit(query.get("limit")) + 1,
    )


def _require_known(query: Mapping[str, object], known: Collection[str]) -> None:
    for name in query:
        if name not in known:
            _refuse(name[:64], f"there is no such parameter; use {', '.join(known)}.")


def _types(text: str | None) -> list[str] | None:
    if text is None:
        return None
    # Other contracts have names of their own, so what is unknown here is not refused.
    named = [_clean(one.strip(), "types") for one in text.split(",")]
    if not all(named) or len(named) > len(EventType) + 10:
        _refuse(
            "types",
            f"write event types with commas between, like {EventType.JOB_COMPLETED},{TEST}.",
        )
    return named


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (
        text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= LARGEST_PAGE
    ):
        _refuse("limit", f"write a number from 1 to {LARGEST_PAGE}.")
    return int(text)


def _cursor(query: QueryDict, field: str) -> Place | None:
    if field not in query:
        return None
    return naming.decode_cursor(str(query[field])) or _refuse(
        field, "write the next_cursor of a page."
    )


def _moment(query: QueryDict, field: str) -> dt.datetime | None:
    if field not in query:
        return None
    try:
        # A blank was a plus that nobody escaped.
        moment = dt.datetime.fromisoformat(str(query[field]).replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass  # refused below, like a time without its offset
    return _refuse(field, "write a time with its offset, like 2030-01-31T12:00:00Z.")


def _clean(text: str, field: str) -> str:
    if not text.isprintable() or len(text) > 100:
        _refuse(field, "write the name of an event.")
    return text


def _refuse(field: str, message: str) -> NoReturn:
    raise errors.InvalidRequest.of(field, message)
