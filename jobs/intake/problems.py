"""What is wrong with a body, field by field, by the names that its sender knows. Pure.

The sentences are ours, whatever the library that finds the problems says: each goes on from the name
of a field, and says what it must be.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

# What a value of the wrong kind must be.
_KINDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_MUST_BE = "must be "
_EXPECTED = "Input should be "
_PROSE = {  # of patterns, which are no sentence
    r"\A[A-Za-z0-9_-]{1,64}\z": "must have 1 to 64 letters of a to z and A to Z, digits, _ and -",
    r"\A[0-9]{1,3}\z": "must be a whole number of up to three digits, as a string",
    r"^[a-z]{2,3}$": "must be a code of two or three small letters, such as en",
}


class _Problem(NamedTuple):
    field: str
    message: str
    of_kind: bool  # it speaks of one of several kinds of value that the field takes
    wrong_kind: bool  # it says that the value is of another kind


def details_of(found: Iterable[ErrorDetails], body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return one detail for each field, in order, with everything that is said of it.

    Where a field takes values of several kinds, each kind complains. What is said of the value or of
    a part of it is said by the kind that it is of, and then the others have nothing to say.
    """
    problems = [_problem(one, body) for one in found]
    told: dict[str, list[_Problem]] = {}
    for one in problems:
        within = any(other.field.startswith(f"{one.field}.") for other in problems)
        if not (one.of_kind and within):
            told.setdefault(one.field, []).append(one)
    return [
        {"field": field[:200], "message": _joined(_heard(of_field))[:500]}
        for field, of_field in told.items()
    ]


def _heard(problems: Sequence[_Problem]) -> list[str]:
    """Return what is said by the kind that the value is of; by all kinds where it is of none."""
    own = [one for one in problems if not one.wrong_kind]
    return [one.message for one in own or problems]


def _problem(error: ErrorDetails, body: Mapping[str, Any]) -> _Problem:
    path, value = _place(error["loc"], body, is_missing=error["type"] == "missing")
    of_kind = len(path) < len(error["loc"])
    wrong_kind = error["type"] in _KINDS or error["type"] in ("literal_error", "enum")
    return _Problem(".".join(path), _sentence(error, value), of_kind, wrong_kind)


def _sentence(error: ErrorDetails, value: Any) -> str:
    """Return what is wrong with a value, as what follows the name of its field."""
    kind = error["type"]
    if kind == "int_type" and isinstance(value, float):
        return "must be a whole number, written without a point and an exponent"
    if kind in _KINDS:
        return f"{_MUST_BE}{_KINDS[kind]}, not {_kind_of(value)}"
    if (say := _BOUNDS.get(kind)) is not None:
        return say(error.get("ctx", {}))
    message = error["msg"].removeprefix("Value error, ")
    return message.replace(_EXPECTED, _MUST_BE, 1)


def _choice(context: Mapping[str, Any]) -> str:
    return f"{_MUST_BE}{context['expected']}".replace("'", '"')


def _bound(say: str, name: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what says of a number where it must lie."""

    def told(context: Mapping[str, Any]) -> str:
        bound = context[name]
        return f"{_MUST_BE}{say} {f'{bound:g}' if isinstance(bound, float) else bound}"

    return told


def _pattern(context: Mapping[str, Any]) -> str:
    pattern = context["pattern"]
    return _PROSE.get(pattern, f"must match the pattern {pattern}")


def _counted(least: str, name: str, bound: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what says of how many parts there must be at least, or at most."""

    def say(context: Mapping[str, Any]) -> str:
        count = context[bound]
        return f"must have {least} {count} {name if count == 1 else _PLURALS[name]}"

    return say


_PLURALS = {"character": "characters", "entry": "entries"}
_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not a field of this request; correct its name or leave it out",
    "literal_error": _choice,
    "enum": _choice,
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "finite_number": lambda _: "must be a finite number",
    "string_pattern_mismatch": _pattern,
    "string_too_short": _counted("at least", "character", "min_length"),
    "string_too_long": _counted("at most", "character", "max_length"),
    "too_short": _counted("at least", "entry", "min_length"),
    "too_long": _counted("at most", "entry", "max_length"),
}


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def _place(loc: Sequence[int | str], body: Any, *, is_missing: bool) -> tuple[list[str], Any]:
    """Return where in the body an error is, and what is there: without the kinds that stand in its place, too."""
    path, value = [], body
    for number, part in enumerate(loc):
        if _has(value, part):
            value = value[part]
        elif not (is_missing and number == len(loc) - 1):
            continue
        path.append(str(part))
    return path, value


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _joined(messages: Sequence[str]) -> str:
    """Return several sentences as one: "must be a string or a list, not a number"."""
    first, *others = dict.fromkeys(messages)
    if not others:
        return first
    ends = {one.rpartition(", not ")[2] for one in (first, *others)}
    if len(ends) == 1 and all(", not " in one for one in messages):
        (end,) = ends
        kinds = [one.rpartition(", not ")[0] for one in (first, *others)]
        return f"{_either(kinds)}, not {end}"
    return _either([first, *others])


def _either(sentences: Sequence[str]) -> str:
    first, *others = sentences
    return " or ".join([first, *(one.removeprefix(_MUST_BE) for one in others)])
