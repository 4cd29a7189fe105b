"""What is wrong with a body, field by field, by the names that its sender knows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

_EXPECTED = "Input should be "


class _Problem(NamedTuple):
    field: str
    message: str
    of_kind: bool  # it speaks of one of several kinds of value that the field takes


def details_of(found: Iterable[ErrorDetails], body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return one detail for each field, in order, with everything that is said of it.

    Where a field takes values of several kinds, each kind complains. What is said of a part of the
    value is said by the kind that it is of, and then the others have nothing to say.
    """
    problems = [_problem(one, body) for one in found]
    told: dict[str, list[str]] = {}
    for one in problems:
        within = any(other.field.startswith(f"{one.field}.") for other in problems)
        if not (one.of_kind and within):
            told.setdefault(one.field, []).append(one.message)
    return [
        {"field": field[:200], "message": _joined(messages)[:500]}
        for field, messages in told.items()
    ]


def _problem(error: ErrorDetails, body: Mapping[str, Any]) -> _Problem:
    path = _path(error["loc"], body, is_missing=error["type"] == "missing")
    message = error["msg"].removeprefix("Value error, ")
    return _Problem(".".join(path), message, of_kind=len(path) < len(error["loc"]))


def _path(loc: Sequence[int | str], body: Any, *, is_missing: bool) -> list[str]:
    """Return where in the body an error is: without the kinds that stand in its place, too."""
    path, value = [], body
    for number, part in enumerate(loc):
        if _has(value, part):
            value = value[part]
        elif not (is_missing and number == len(loc) - 1):
            continue
        path.append(str(part))
    return path


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _joined(messages: Sequence[str]) -> str:
    """Return several sentences as one: "Input should be a valid string or a valid list"."""
    first, *others = dict.fromkeys(messages)
    return " or ".join([first, *(one.removeprefix(_EXPECTED) for one in others)])
