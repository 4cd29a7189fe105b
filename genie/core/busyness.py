"""How busy a thread has been of late."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

_FADES_S = 0.1  # what was so long ago counts a third


class Busyness:
    """The share of its latest time that a thread has worked: 0 after a rest, 1 after none.

    For the one thread that works; ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._share = 0.0
        self._known_at = clock()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Count the length of the block as work."""
        self._share *= self._faded()
        try:
            yield
        finally:
            self._share = 1 - (1 - self._share) * self._faded()

    def share(self) -> float:
        """Return the share until now, between two pieces of work."""
        self._share *= self._faded()
        return self._share

    def _faded(self) -> float:
        """Return what is left of what was known, and know the rest up to now."""
        known_at, self._known_at = self._known_at, self._clock()
        return math.exp((known_at - self._known_at) / _FADES_S)
