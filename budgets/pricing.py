"""What work costs in micro-credits: an upper bound before the run, the charge after it. Pure.

Knows no modality. What is used is counted in whole parts (tokens, pixel-steps, milliseconds,
characters) and a rate is micro-credits for so many parts, so every product is exact and the sum of
a bill's lines is divided, and rounded, once.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """One line of a bill."""

    parts: int  # how many were used, or may be at most
    microcredits: int  # what ``per`` parts cost
    per: int


def estimate(lines: Sequence[Line]) -> int:
    """Return the hold for the most that a request may use: rounded up, at least 1 if priced.

    The charge for whatever happens within these parts stays within the hold. Where every rate is 0
    the hold is 0.

    Raises:
        ValueError: A number is negative, or ``per`` is not above 0.

    >>> estimate([Line(3, 50_000, 1_000_000), Line(256, 200_000, 1_000_000)])
    52
    """
    numerator, denominator = _exact(lines)
    if not any(line.microcredits for line in lines):
        return 0
    return max(1, -(-numerator // denominator))


def charge(lines: Sequence[Line]) -> int:
    """Return the cost of what was used: rounded once, half to even.

    Never above the estimate for parts that are at least these, at the same rates.

    Raises:
        ValueError: A number is negative, or ``per`` is not above 0.

    >>> charge([Line(90_000, 6_000, 60_000)])
    9000
    """
    numerator, denominator = _exact(lines)
    whole, rest = divmod(numerator, denominator)
    up = 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
    return whole + up


def _exact(lines: Sequence[Line]) -> tuple[int, int]:
    """Return the cost in micro-credits as a fraction."""
    for line in lines:
        if line.parts < 0 or line.microcredits < 0 or line.per < 1:
            raise ValueError(f"{line}: parts and rates are not negative, and per is at least 1.")
    denominator = math.lcm(*(line.per for line in lines))
    numerator = sum(line.parts * line.microcredits * (denominator // line.per) for line in lines)
    return numerator, denominator
