"""Takes the keys of a table in a TOML file, and says of each wrong value what it must be.

A reader of a value returns it as the code wants it, or raises ``MistakeError`` with what it must be.
"""

import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, TypeVar

_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_MOST_SECONDS = 4 * 3600


class MistakeError(Exception):
    """The value of one key is wrong."""


class Keys:
    """Takes keys out of one table, and collects what is wrong instead of raising at the first."""

    def __init__(self, table: Mapping[str, Any], *, prefix: str = "") -> None:
        self._left = dict(table)
        self._prefix = prefix
        self.problems: list[str] = []

    def take(self, key: str, read: Callable[[Any], _T], default: _T | None = None) -> _T:
        """Return the key's value; a wrong one is noted, and then the return value is useless."""
        if key not in self._left:
            if default is None:
                self.problems.append(f"{self._prefix}{key} is missing.")
            return default  # type: ignore[return-value]  # never used: problems stop the reading
        value = self._left.pop(key)
        try:
            return read(value)
        except MistakeError as mistake:
            self.problems.append(f"{self._prefix}{key} is {_shown(value)}; {mistake}.")
            return default  # type: ignore[return-value]

    def has(self, key: str) -> bool:
        """Return whether the key is there and nobody has taken it."""
        return key in self._left

    def table(self, key: str) -> "Keys":
        """Return the keys of a table inside this one; report() hands its problems on."""
        return Keys(self.take(key, table, {}), prefix=f"{self._prefix}{key}.")

    def finish(self, *inner: "Keys") -> None:
        """Note the keys that nobody took, and the problems of inner tables."""
        for keys in inner:
            self.problems += keys.problems
        self.problems += [f"{self._prefix}{key} is not a known key." for key in self._left]


def one_of(known: Collection[str]) -> Callable[[Any], str]:
    """Return a reader that takes one of these texts and nothing else."""

    def read(value: Any) -> str:
        if value not in known:
            raise MistakeError(f"it must be one of {', '.join(sorted(known))}")
        return str(value)

    return read


def text(value: Any) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise MistakeError("it must be a text in quotes")
    return value


def name(value: Any) -> str:
    """Return a name as ids and aliases have it."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise MistakeError("it must be 1 to 128 letters, digits and . _ : / - in quotes")
    return value


def names(value: Any) -> tuple[str, ...]:
    """Return a list of names."""
    if not isinstance(value, list):
        raise MistakeError("it must be a list of names")
    return tuple(name(item) for item in value)


def count(value: Any) -> int:
    """Return a whole number from 1 on."""
    if type(value) is not int or value < 1:
        raise MistakeError("it must be a whole number of at least 1")
    return value


def seconds(value: Any) -> int:
    """Return a number of whole seconds, four hours at most."""
    if type(value) is not int or not 1 <= value <= _MOST_SECONDS:
        raise MistakeError(f"it must be a whole number of seconds from 1 to {_MOST_SECONDS}")
    return value


def guidance(value: Any) -> float:
    """Return a number from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value <= 100:
        raise MistakeError("it must be a number from 0 to 100")
    return float(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise MistakeError("it must be true or false")
    return value


def table(value: Any) -> dict[str, Any]:
    """Return an inner table."""
    if not isinstance(value, dict):
        raise MistakeError("it must be a table")
    return value


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)
