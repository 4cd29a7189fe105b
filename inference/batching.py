"""Who may join the running batch: admission under a budget of slots and cache tokens. Pure."""

import collections
import dataclasses
from collections.abc import Hashable, Sequence


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a batch may hold at the same time."""

    slots: int  # requests
    tokens: int  # cache entries, in all
    page_tokens: int = 1  # the cache is handed out in pages of this many tokens


class Admission:
    """Keeps a waiting line and the running set within a budget.

    Each request reserves all it can ever need when it joins, so a running request is never pushed
    out for another. The line is strictly first come, first served: a small request does not
    overtake a large one, which would otherwise wait for ever on a busy model.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._waiting: collections.OrderedDict[Hashable, int] = collections.OrderedDict()
        self._running: dict[Hashable, int] = {}
        self._reserved = 0

    @property
    def reserved(self) -> int:
        """Tokens that the running requests have reserved, in whole pages."""
        return self._reserved

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def can_ever_fit(self, tokens: int) -> bool:
        """Tell whether a request of this size fits into an empty batch."""
        return self._paged(tokens) <= self._budget.tokens

    def wait(self, key: Hashable, *, tokens: int) -> None:
        """Put a request at the end of the line.

        Raises:
            ValueError: it can never run, or the key is taken.
        """
        if not self.can_ever_fit(tokens):
            raise ValueError(f"{tokens} tokens do not fit into a cache of {self._budget.tokens}.")
        if key in self._waiting or key in self._running:
            raise ValueError(f"{key!r} is in the batch already.")
        self._waiting[key] = self._paged(tokens)

    def admit(self) -> list[Hashable]:
        """Move those who fit from the line into the batch, and return them in order."""
        admitted: list[Hashable] = []
        while self._waiting and len(self._running) < self._budget.slots:
            key, tokens = next(iter(self._waiting.items()))
            if self._reserved + tokens > self._budget.tokens:
                break
            del self._waiting[key]
            self._running[key] = tokens
            self._reserved += tokens
            admitted.append(key)
        return admitted

    def leave(self, key: Hashable) -> None:
        """Take a request out of the line or the batch; an unknown one is ignored."""
        self._waiting.pop(key, None)
        self._reserved -= self._running.pop(key, 0)

    def _paged(self, tokens: int) -> int:
        return -(-tokens // self._budget.page_tokens) * self._budget.page_tokens


def pack(lengths: Sequence[int], *, items: int, padded_tokens: int) -> int:
    """Return how many of the first inputs go into one padded batch; at least one if there is any.

    A padded batch costs its longest input times its size.

    >>> pack([10, 10, 30, 10], items=8, padded_tokens=60)
    2
    """
    longest = 0
    for count, length in enumerate(lengths):
        longest = max(longest, length)
        if count and (count >= items or longest * (count + 1) > padded_tokens):
            return count
    return len(lengths)
