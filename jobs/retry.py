"""Whether a job gets another attempt, and how long it waits for it. Pure."""

# A job that already cost two attempts runs alone, so that it harms nobody else.
SOLO_FROM_ATTEMPT = 3

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


def may_try_again(*, attempt: int, max_attempts: int) -> bool:
    """Return whether a fault of attempt number ``attempt`` may have been somebody else's doing.

    So it may until the job has been run alone: what fails then, fails of itself. (A job whose worker
    was lost altogether is another matter: nobody saw of what.)

    >>> [may_try_again(attempt=n, max_attempts=5) for n in (1, 2, 3)]
    [True, True, False]
    """
    return attempt < min(SOLO_FROM_ATTEMPT, max_attempts)
