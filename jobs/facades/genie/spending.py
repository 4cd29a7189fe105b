"""Caps and usage in the native contract's words: the query in, JSON and CSV out. Pure."""

import csv
import datetime as dt
import io
import re
import uuid
from collections.abc import Sequence
from typing import Any

from django.http import QueryDict

from budgets import money
from budgets import wire as budgets
from budgets.types import OpenHold
from budgets.windows import Layer
from genie.core import errors, ids, strict_json
from jobs import events
from jobs.spending import (
    LONGEST_DAYS,
    MOST_GROUPS,
    GroupBy,
    Spending,
    Usage,
    UsageFilter,
    UsageReport,
)

DEFAULT_DAYS = 30
_PARAMETERS = ("group_by", "from", "to", "model", "application", "member", "format")
_DAY = re.compile(r"[2-8]\d{3}-\d{2}-\d{2}", re.ASCII)  # far from where dates end
# What a spreadsheet takes for a formula when a cell begins with it; the blanks hide one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def effective_body(found: Spending) -> dict[str, Any]:
    """Return the caps of the caller in walk order, and the newest jobs that hold the money.

    A user's day counts in all the user's organisations, so it is shown only where a cap on it binds,
    as a refusal would show it.
    """
    statement = found.statement
    shown = [
        one for one in statement.balances if one.layer is not Layer.USER or one.cap is not None
    ]
    return {
        "object": "budgets.effective",
        "caps": [budgets.balance(one) for one in shown],
        "holds": {
            "total": statement.open_holds,
            "amount": money.to_wire(statement.held_microcredits),
            "data": [_hold(one, found) for one in statement.newest_holds],
        },
    }


def usage_filter(query: QueryDict, *, organization_id: uuid.UUID, today: dt.date) -> UsageFilter:
    """Return what a query asks for.

    Raises:
        InvalidRequest: A parameter is unknown, malformed or given twice, or the range is too long.
    """
    for name in query:
        if name not in _PARAMETERS:
            known = ", ".join(_PARAMETERS)
            raise errors.InvalidRequest.of(name[:64], f"is not a parameter; use {known}")
        if len(query.getlist(name)) > 1:
            raise errors.InvalidRequest.of(
                name, f"is given {len(query.getlist(name))} times; once will do"
            )
        strict_json.require_clean_text(str(query[name]), field=name)
    last_day = _day(query.get("to"), "to") or today
    first_day = _day(query.get("from"), "from") or last_day - dt.timedelta(days=DEFAULT_DAYS - 1)
    _require_range(first_day, last_day)
    return UsageFilter(
        organization_id=organization_id,
        first_day=first_day,
        last_day=last_day,
        group_by=_group_by(query.get("group_by", GroupBy.DAY)),
        model=query.get("model"),
        application_id=_id(query.get("application"), "application"),
        user_id=_id(query.get("member"), "member"),
    )


def wants_csv(query: QueryDict, *, accept: str) -> bool:
    """Tell whether the answer is CSV: ``format`` says so, or else the first type we have does.

    Raises:
        InvalidRequest: ``format`` is neither.
    """
    chosen = query.get("format")
    if chosen is not None:
        if chosen not in ("json", "csv"):
            raise errors.InvalidRequest.of("format", "must be json or csv")
        return chosen == "csv"
    for part in accept.split(","):
        media_type = part.partition(";")[0].strip().lower()
        if media_type in ("application/json", "*/*"):
            return False
        if media_type == "text/csv":
            return True
    return False


def require_complete(report: UsageReport) -> None:
    """Refuse an answer that would leave rows out.

    Raises:
        InvalidRequest: There are more groups than one answer has.
    """
    if len(report.rows) > MOST_GROUPS:
        raise errors.InvalidRequest.of(
            "group_by", f"gives more than {MOST_GROUPS} rows; ask for fewer days or groups"
        )


def usage_body(wanted: UsageFilter, report: UsageReport) -> dict[str, Any]:
    """Return usage as JSON: a row for each group, and their total."""
    rows = [{**_group(wanted, report, row), **_sums([row])} for row in report.rows]
    return {
        "object": "usage",
        "from": wanted.first_day.isoformat(),
        "to": wanted.last_day.isoformat(),
        "group_by": [str(one) for one in wanted.group_by],
        "data": rows,
        "total": _sums(report.rows),
    }


def usage_csv(wanted: UsageFilter, report: UsageReport) -> str:
    """Return usage as RFC 4180 CSV with a header line; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = [name for one in wanted.group_by for name in _FIELDS[one]]
    writer.writerow([*names, *_sums([])])
    for row in report.rows:
        group, sums = _group(wanted, report, row), _sums([row])
        sums["cost"] = money.to_text(row.cost_microcredits)  # no exponent
        writer.writerow([*(_cell(group[name]) for name in names), *sums.values()])
    return out.getvalue()


_FIELDS = {
    GroupBy.DAY: ("day",),
    GroupBy.MODEL: ("model",),
    GroupBy.APPLICATION: ("application_id", "application"),
    GroupBy.MEMBER: ("user_id", "member"),
}


def _hold(hold: OpenHold, found: Spending) -> dict[str, Any]:
    job = found.jobs.get(hold.reference)
    return {
        "id": events.public_id(hold.reference, job.kind) if job else ids.bare(hold.reference),
        "status": job.state if job else None,
        "model": job.model if job else None,
        "amount": money.to_wire(hold.amount),
        "since": events.iso(hold.opened_at),
        "layers": [str(layer) for layer in hold.layers],
    }


def _group(wanted: UsageFilter, report: UsageReport, row: Usage) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for one, value in zip(wanted.group_by, row.group, strict=True):
        match one:
            case GroupBy.DAY:
                fields["day"] = value.isoformat()
            case GroupBy.MODEL:
                fields["model"] = value
            case GroupBy.APPLICATION:
                fields["application_id"] = None if value is None else str(value)
                fields["application"] = report.application_names.get(value)
            case GroupBy.MEMBER:
                fields["user_id"] = None if value is None else str(value)
                fields["member"] = report.usernames.get(value)
    return fields


def _sums(rows: Sequence[Usage]) -> dict[str, Any]:
    prompt = sum(row.prompt_tokens for row in rows)
    completion = sum(row.completion_tokens for row in rows)
    return {
        "jobs": sum(row.jobs for row in rows),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": money.to_wire(sum(row.cost_microcredits for row in rows)),
    }


def _cell(value: str | None) -> str:
    """Return a text that a spreadsheet shows and does not run."""
    if value is None:
        return ""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _group_by(text: str) -> tuple[GroupBy, ...]:
    words = text.split(",")
    if len(set(words)) != len(words) or not set(words) <= set(GroupBy):
        known = ", ".join(GroupBy)
        raise errors.InvalidRequest.of("group_by", f"must be one or more of {known}, each once")
    return tuple(one for one in GroupBy if one in words)


def _require_range(first_day: dt.date, last_day: dt.date) -> None:
    if first_day > last_day:
        raise errors.InvalidRequest.of("from", "must not be after 'to'")
    if (last_day - first_day).days >= LONGEST_DAYS:
        raise errors.InvalidRequest.of("from", f"gives a range of more than {LONGEST_DAYS} days")


def _day(text: str | None, field: str) -> dt.date | None:
    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise errors.InvalidRequest.of(field, "must be a UTC day like 2026-01-31")
    return day


def _id(text: str | None, field: str) -> uuid.UUID | None:
    if text is None:
        return None
    found = ids.parse(text) if len(text) == 36 else None
    if found is None:
        raise errors.InvalidRequest.of(field, f"must be the id of {_OF[field]}")
    return found


_OF = {"application": "an application", "member": "a user"}
