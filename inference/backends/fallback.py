"""When to write a window of a recording down again, less strictly, and which attempt to keep. Pure.

Taken greedily, the likeliest tokens may run into a loop, or into words that the model itself holds
unlikely. Then a draw is tried, from a little temperature to a lot, as Whisper's own transcription does.

Source: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision (2022), 4.5.
"""

import dataclasses
import zlib
from collections.abc import Sequence

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)  # after 0, in turn
MOST_REPEATED = 2.4  # a text that is compressed by more than this repeats itself
LEAST_LIKELY = -1.0  # the mean log-probability of a token; below it the model guesses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What an attempt is judged by."""

    repetition: float  # the bytes of its text over those of the compressed text
    logprob: float  # mean of its tokens, at temperature 1

    @property
    def is_poor(self) -> bool:
        """Whether another attempt is worth it."""
        return self.repetition > MOST_REPEATED or self.logprob < LEAST_LIKELY


def quality_of(text: str, *, logprob: float) -> Quality:
    """Return the quality of a text.

    >>> quality_of("la " * 50, logprob=-0.1).is_poor
    True
    """
    content = text.strip().encode()
    return Quality(repetition=len(content) / len(zlib.compress(content)), logprob=logprob)


def best(found: Sequence[Quality]) -> int:
    """Return which of several attempts to keep: that which repeats itself least, then the likeliest.

    Below the bound none counts as repeating itself, and of equals the first is kept.
    """
    return min(
        range(len(found)),
        key=lambda n: (max(found[n].repetition, MOST_REPEATED), -found[n].logprob),
    )
