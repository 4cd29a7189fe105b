"""What the fields of a closed set take."""

from enum import StrEnum


def of(values: type[StrEnum]) -> list[tuple[str, str]]:
    """Return the values as Django's choices; each is its own label."""
    return [(value.value, value.value) for value in values]
