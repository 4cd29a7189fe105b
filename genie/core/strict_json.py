"""Decodes a JSON object strictly: what the database or a model would choke on is refused here.

Python's decoder takes duplicate keys, NaN, huge numbers, NUL and lone surrogates; this one refuses
each with one sentence. Knows no request.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from genie.core.errors import InvalidRequest, UnsupportedMediaType

MAX_DEPTH = 32  # levels of nesting
MAX_DIGITS = 100  # of one number; longer ones cost time and mean nothing here
# Possessive, and an unclosed string reaches to the end: otherwise a body full of quotes would be
# scanned again from each of them.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = re.compile(rb"[^\[\]{}]+")
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_object(
    raw: bytes,
    *,
    fraction: Callable[[str], float | Decimal] | None = None,
    called: str = "the body",
) -> dict[str, Any]:
    """Return the object that ``raw`` says.

    Args:
        raw: The body.
        fraction: Reads a number that has a point or an exponent. By default it becomes a float;
            ``exact`` keeps every digit, for bodies that state amounts of money.
        called: What a refusal calls it.

    Raises:
        InvalidRequest: It is not one well-formed JSON object.
    """
    if not raw:
        raise InvalidRequest.of("", f"{called} is empty; send a JSON object with Content-Length")
    _require_shallow(raw, called)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_int,
            parse_float=fraction or _float,
        )
    except UnicodeDecodeError:
        raise InvalidRequest.of("", f"{called} is not valid UTF-8; encode it so") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest.of(
            "", f"{called} is not valid JSON ({error.msg} at character {error.pos})"
        ) from None
    if not isinstance(value, dict):
        raise InvalidRequest.of("", f"{called} must be a JSON object")
    # Only an escape can bring either in: raw control characters and invalid UTF-8 are refused above.
    if b"\\u" in raw:
        _require_clean(value, "")
    return value


def require_declared(content_type: str, *, encoding: str = "") -> None:
    """Judge what a body's headers say of it, before it is read.

    Args:
        content_type: The ``Content-Type``.
        encoding: The ``Content-Encoding``; nothing is ever inflated.

    Raises:
        UnsupportedMediaType: It is not declared as JSON in UTF-8, or is compressed.
    """
    if encoding.lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding.")
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    charset = _CHARSET.search(parameters)
    if charset and charset[1].lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send JSON in UTF-8.")


def exact(digits: str) -> Decimal:
    """Return a JSON number with all its digits; never a float.

    Raises:
        InvalidRequest: It has too many digits, or an exponent that no number has.
    """
    if len(digits) > MAX_DIGITS:
        raise InvalidRequest.of("", f"a number has more than {MAX_DIGITS} digits")
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise InvalidRequest.of("", "a number is too large") from None


def require_clean_text(text: str, *, field: str) -> None:
    """Refuse NUL and lone surrogates in a query value.

    Raises:
        InvalidRequest: There is one.
    """
    _require_clean(text, field)


def _require_shallow(raw: bytes, called: str) -> None:
    """Count the nesting on the bytes: Python's decoder recurses, so it must not see a deep body."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for run in _NOT_BRACKETS.sub(b"", _STRINGS.sub(b"", raw)):
        depth += 1 if run in b"[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidRequest.of("", f"{called} is nested deeper than {MAX_DEPTH} levels")


def _require_clean(value: Any, path: str) -> None:
    match value:
        case str():
            if "\x00" in value:
                raise InvalidRequest.of(path, "contains a NUL character")
            if _SURROGATE.search(value):
                raise InvalidRequest.of(path, "contains a lone surrogate")
        case dict():
            for key, item in value.items():
                _require_clean(key, path)
                _require_clean(item, f"{path}.{key}".lstrip("."))
        case list():
            for index, item in enumerate(value):
                _require_clean(item, f"{path}.{index}".lstrip("."))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise InvalidRequest.of(twice[:64], "appears twice in one object")
    return value


def _constant(name: str) -> NoReturn:
    raise InvalidRequest.of("", f"{name} is not a JSON number")


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise InvalidRequest.of("", f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise InvalidRequest.of("", "a number is too large")
    return value
