"""What tokens cost in micro-credits: an upper bound before the run, the charge after it. Pure.

Prices are micro-credits per million tokens, so that the product of a price and a count is exact
and is divided once.
"""

_PER_MILLION = 1_000_000


def estimate_tokens(
    *,
    prompt_tokens: int,
    completion_tokens: int,
    prompt_microcredits_per_million: int,
    completion_microcredits_per_million: int,
) -> int:
    """Return the hold for the most that a request may use: rounded up, at least 1 if priced.

    ``completion_tokens`` is the limit of the run times the number of choices, so the charge for
    whatever happens stays within the hold. A model whose prices are 0 is held at 0.

    Raises:
        ValueError: A count or a price is negative.

    >>> estimate_tokens(
    ...     prompt_tokens=3,
    ...     completion_tokens=256,
    ...     prompt_microcredits_per_million=50_000,
    ...     completion_microcredits_per_million=200_000,
    ... )
    52
    """
    prompt = _exact(prompt_tokens, prompt_microcredits_per_million)
    completion = _exact(completion_tokens, completion_microcredits_per_million)
    if not (prompt_microcredits_per_million or completion_microcredits_per_million):
        return 0
    return max(1, -(-(prompt + completion) // _PER_MILLION))


def charge_tokens(
    *,
    prompt_tokens: int,
    completion_tokens: int,
    prompt_microcredits_per_million: int,
    completion_microcredits_per_million: int,
) -> int:
    """Return the cost of the tokens that were used: rounded once, half to even.

    Never above the estimate for counts that are at least these, at the same prices.

    Raises:
        ValueError: A count or a price is negative.
    """
    prompt = _exact(prompt_tokens, prompt_microcredits_per_million)
    completion = _exact(completion_tokens, completion_microcredits_per_million)
    whole, rest = divmod(prompt + completion, _PER_MILLION)
    up = 2 * rest > _PER_MILLION or (2 * rest == _PER_MILLION and whole % 2 == 1)
    return whole + up


def _exact(tokens: int, microcredits_per_million: int) -> int:
    """Return the cost in millionths of a micro-credit."""
    if tokens < 0 or microcredits_per_million < 0:
        raise ValueError(f"{tokens} tokens at {microcredits_per_million}: neither may be negative.")
    return tokens * microcredits_per_million
