"""Ages as operators type them: 30m, 12h, 5d; and as they read them."""

import re

from genie.core import errors

_AGE = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """Return an age in seconds.

    Raises:
        InvalidRequest: It is none.

    >>> seconds("90m")
    5400.0
    """
    age = _AGE.fullmatch(text)
    if age is None:
        raise errors.InvalidRequest(f"{text[:64]!r} is no age; write one like 30m, 12h or 5d.")
    return float(int(age[1]) * _SECONDS[age[2]])


def ago(age_s: float) -> str:
    """Return an age in words, in the unit in which it is a number that one can compare.

    >>> ago(5.4), ago(754), ago(7300)
    ('5 s ago', '12 min ago', '2 h ago')
    """
    if age_s < _MINUTES_FROM_S:
        return f"{age_s:.0f} s ago"
    if age_s < _HOURS_FROM_S:
        return f"{age_s // 60:.0f} min ago"
    return f"{age_s // 3600:.0f} h ago"


_MINUTES_FROM_S = 120
_HOURS_FROM_S = 7200
