"""Typed readers of environment variables that fail naming the variable. Knows no setting."""

import os
from collections.abc import Collection

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


class SettingError(ValueError):
    """A variable is missing or malformed; the message names it and says what would do."""


def text(name: str, default: str | None = None) -> str:
    """Return the variable, or ``default``.

    Raises:
        SettingError: The variable is unset and there is no default.
    """
    value = os.environ.get(name, default)
    if value is None:
        raise SettingError(f"The environment variable {name} is not set; it has no default.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """Return the comma-separated, non-empty parts of the variable."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def boolean(name: str, *, default: bool) -> bool:
    """Return the variable as a boolean (1/0, true/false, yes/no, on/off)."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    if raw.lower() in _TRUE:
        return True
    if raw.lower() in _FALSE:
        return False
    raise SettingError(f"The environment variable {name} is {raw!r}; write 1 or 0.")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    """Return the variable as an integer of at least ``minimum``."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise SettingError(
            f"The environment variable {name} is {raw!r}; write an integer."
        ) from None
    if value < minimum:
        raise SettingError(f"The environment variable {name} is {value}; the least is {minimum}.")
    return value


def seconds(name: str, default: float) -> float:
    """Return the variable as a non-negative number of seconds."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise SettingError(f"The environment variable {name} is {raw!r}; write seconds, like 2.5.")
    return value


def port_ranges(name: str, default: str) -> tuple[range, ...]:
    """Return the variable as ranges of ports, written like ``443,8000-8999``."""
    try:
        pairs = [part.partition("-") for part in words(name, default)]
        ranges = tuple(range(int(first), int(last or first) + 1) for first, _, last in pairs)
    except ValueError:
        ranges = ()
    if not ranges or not all(len(one) >= 1 and one[0] >= 1 and one[-1] <= 65535 for one in ranges):
        raise SettingError(
            f"The environment variable {name} is {text(name, default)!r}; write ports between 1 and 65535,"
            " like 443,8000-8999."
        )
    return ranges


def address(name: str) -> tuple[str, int] | None:
    """Return the variable as a host and a port, written like ``127.0.0.1:9464``; None if it is unset."""
    raw = text(name, "")
    if not raw:
        return None
    host, mark, port = raw.rpartition(":")
    if not (mark and host and port.isdecimal() and 1 <= int(port) <= 65535):
        raise SettingError(
            f"The environment variable {name} is {raw!r}; write host:port, such as 127.0.0.1:9464."
        )
    return host.strip("[]"), int(port)


def days_by_name(name: str, *, parts: Collection[str] = ()) -> dict[str, int]:
    """Return the variable as a number of days for each name: ``acme=30,globex=7``.

    Args:
        name: Of the variable.
        parts: What may follow a name after a dot, to say it of a part alone: ``acme.files=90``.
    """
    found = {}
    for one in words(name):
        key, mark, days = (part.strip() for part in one.partition("="))
        of, dot, part = key.partition(".")
        known = part in parts if dot else True
        if not (mark and of and known and days.isdecimal() and int(days) >= 1):
            also = f", or of one of {', '.join(parts)} alone after a dot" if parts else ""
            raise SettingError(
                f"The environment variable {name} has {one!r}; write slug=days, such as acme=30"
                f"{also}."
            )
        found[key] = int(days)
    return found
