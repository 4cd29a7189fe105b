"""Credits outside, integer micro-credits inside: the only conversions between the two. Pure.

One credit is 1,000,000 micro-credits, so six decimals of a credit are exact and no amount is ever
a float inside.
"""

import decimal

from budgets.errors import AmountError

MICROCREDITS_PER_CREDIT = 1_000_000
# The most that one cap or one hold may be: a billion credits. Sums of nine thousand such amounts
# still fit a bigint, and any single amount is exact as a JSON number (15 significant digits).
MAX_MICROCREDITS = 10**15
# The most that one counter may come to, spent and held together. With one amount on top, and
# even if each of the two came to it, the sum still fits a bigint.
MAX_COUNTED = 4 * 10**18
REMAINING_HEADER = "X-Genie-Budget-Remaining"  # credits; with soft-warn

_ONE_MICROCREDIT = decimal.Decimal(1).scaleb(-6)


def from_credits(value: object) -> int:
    """Return a number of credits in micro-credits.

    Takes a Decimal, an int, a decimal string, or the float that a JSON parser made of a number
    (read by its shortest spelling, which is what the sender wrote).

    Raises:
        AmountError: Not a finite number, negative, too large, or more than six decimals.

    >>> from_credits("12.5")
    12500000
    >>> from_credits(decimal.Decimal("0.000001"))
    1
    """
    number = _as_decimal(value)
    shown = str(value)[:40]
    # Before any comparison: NaN compares false with everything, so it would pass every bound.
    if not number.is_finite():
        raise AmountError(f"{shown} is not a finite number of credits.")
    if number < 0:
        raise AmountError(f"{shown} credits is negative; the least is 0.")
    if number > MAX_MICROCREDITS // MICROCREDITS_PER_CREDIT:
        raise AmountError(f"{shown} credits is too large; the most is 1000000000.")
    if number != number.quantize(_ONE_MICROCREDIT):
        raise AmountError(f"{shown} credits has more than six decimals.")
    return int(number * MICROCREDITS_PER_CREDIT)


def to_wire(microcredits: int) -> int | float:
    """Return micro-credits as the JSON number of credits, at most six decimals.

    The division rounds once, and the shortest spelling of its result is the exact decimal for every
    amount below ``MAX_MICROCREDITS``.

    >>> to_wire(2_000_000), to_wire(550), to_wire(-1_500_000)
    (2, 0.00055, -1.5)
    """
    whole, rest = divmod(microcredits, MICROCREDITS_PER_CREDIT)
    return microcredits / MICROCREDITS_PER_CREDIT if rest else whole


def to_text(microcredits: int) -> str:
    """Return micro-credits as credits for people, without an exponent.

    >>> to_text(1), to_text(2_500_000), to_text(3_000_000)
    ('0.000001', '2.5', '3')
    """
    sign = "-" if microcredits < 0 else ""
    whole, rest = divmod(abs(microcredits), MICROCREDITS_PER_CREDIT)
    decimals = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{decimals}"


def _as_decimal(value: object) -> decimal.Decimal:
    if isinstance(value, decimal.Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise AmountError(f"A number of credits is needed, not {type(value).__name__}.")
    text = repr(value) if isinstance(value, float) else str(value).strip()
    # An exponent of many digits would make the conversion below expand it: bound the text first.
    if len(text) > 40 or "_" in text or not text.isascii():
        raise AmountError("A number of credits is at most 40 characters: 0-9 and one point.")
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:
        raise AmountError(f"{text!r} is not a number of credits; write one like 12.5.") from None
