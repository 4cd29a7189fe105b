"""The log-probabilities of one answer's tokens, with their places in its text."""

from collections.abc import Callable
from typing import NamedTuple

from inference.backends.sampling import Recorder
from inference.types import Likelihood, TokenLogprob

Spell = Callable[[int], tuple[str, bytes]]  # a token's text, and its bytes


class _Unplaced(NamedTuple):
    chosen: Likelihood
    top: tuple[Likelihood, ...]


class Likelihoods:
    """Follows an answer token by token. One thread feeds it."""

    def __init__(self, recorder: Recorder, spell: Spell) -> None:
        self.recorder = recorder
        self._spell = spell
        self._count = 0
        self._unplaced: list[_Unplaced] = []  # whose character is not complete
        self._placed = 0  # characters of the text that have their tokens
        self._fresh: list[TokenLogprob] = []
        self._all: list[TokenLogprob] = []

    def take(self, *, end: int, is_complete: bool) -> None:
        """Place the next token: with it, and if characters are complete, the text is `end` long."""
        token_id, logprob, top = self.recorder.tokens[self._count]
        self._count += 1
        self._unplaced.append(
            _Unplaced(
                self._likelihood(token_id, logprob),
                tuple(self._likelihood(other, value) for other, value in top),
            )
        )
        if is_complete:
            self.complete(end=end)

    def complete(self, *, end: int) -> None:
        """Place what waited for the rest of a character."""
        placed = [
            TokenLogprob(chosen=one.chosen, top=one.top, end=end, offset=self._placed)
            for one in self._unplaced
        ]
        self._unplaced, self._placed = [], end
        self._fresh += placed
        self._all += placed

    def fresh(self) -> list[TokenLogprob]:
        """Return what was placed since the last call."""
        found, self._fresh = self._fresh, []
        return found

    def within(self, length: int) -> tuple[TokenLogprob, ...]:
        """Return the tokens of the answer's first characters; a stop string cuts the others off."""
        return tuple(one for one in self._all if one.end <= length)

    def _likelihood(self, token_id: int, logprob: float) -> Likelihood:
        text, raw = self._spell(token_id)
        return Likelihood(token=text, raw=raw, logprob=logprob)
