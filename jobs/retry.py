"""How long a job waits before its next attempt. Pure."""

FIRST_DELAY_S = 0.0  # one lost worker is bad luck: run again at once
BASE_DELAY_S = 2.0  # from the second loss on the job itself is suspect
MAX_DELAY_S = 60.0


def delay_s(*, attempt: int) -> float:
    """Return the pause, in seconds, after attempt number ``attempt`` (from 1) was lost.

    >>> [delay_s(attempt=n) for n in (1, 2, 3, 4)]
    [0.0, 2.0, 4.0, 8.0]
    """
    if attempt <= 1:
        return FIRST_DELAY_S
    return min(BASE_DELAY_S * 2.0 ** (attempt - 2), MAX_DELAY_S)
