"""When a call is sent again, and after how long. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from genie.client.errors import ApiError, NoAnswer


class Repeat(Enum):
    """What makes it safe to send a call twice."""

    SAFE = "safe"  # it changes nothing
    KEYED = "keyed"  # its Idempotency-Key makes both the same job
    UNSENT = "unsent"  # nothing: only where it certainly had no effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """How often and how patiently calls are sent again, and streams resumed.

    Attributes:
        attempts: How often a call is sent at most; of a stream, tries in a row that told nothing new.
        first_s: The pause after the first attempt; each further one is twice as long.
        most_s: The longest pause of our own.
        most_asked_s: The longest ``Retry-After`` that is honoured; a longer one is given to the caller.
    """

    attempts: int = 4
    first_s: float = 0.5
    most_s: float = 8.0
    most_asked_s: float = 60.0

    def pause_s(
        self,
        error: NoAnswer | ApiError,
        *,
        attempt: int,
        repeat: Repeat,
        chance: Callable[[], float] = random.random,
    ) -> float | None:
        """Return how long to wait after this attempt failed so; None: do not send it again.

        Args:
            error: What came of the attempt.
            attempt: Counts from 1.
            repeat: What makes another attempt safe.
            chance: Draws from 0 to 1, so that many callers do not come back at once.
        """
        if attempt >= self.attempts or not _may_repeat(error, repeat):
            return None
        own_s = min(self.most_s, self.first_s * 2.0 ** (attempt - 1)) * (1 + chance()) / 2
        if not isinstance(error, ApiError) or error.retry_after_s is None:
            return own_s
        if error.retry_after_s > self.most_asked_s:
            return None
        return error.retry_after_s + own_s * chance()


def _may_repeat(error: NoAnswer | ApiError, repeat: Repeat) -> bool:
    if isinstance(error, NoAnswer):
        return repeat is not Repeat.UNSENT or not error.sent
    if error.status in (
        429,
        503,
    ):  # refused before anything was done, or the same job is found again
        return True
    # What has no code was not said by Genie: a proxy that could not reach it.
    return error.status in (502, 504) and not error.code and repeat is not Repeat.UNSENT
