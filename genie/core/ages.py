"""Ages as operators type them: 30m, 12h, 5d."""

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
