"""When a window of a recording is written down again, and which attempt is kept."""

import math

import pytest

from inference.backends import fallback
from inference.backends.fallback import Quality


class TestQuality:
    @pytest.mark.parametrize(
        ("text", "logprob", "is_poor"),
        [
            ("The quick brown fox jumps over the lazy dog.", -0.3, False),
            ("The quick brown fox jumps over the lazy dog.", -1.2, True),  # a guess
            ("and then and then and then and then and then and then", -0.1, True),  # a loop
            ("yes yes yes", -0.1, False),  # too short to be one
            ("", -0.5, False),
        ],
    )
    def test_is_poor_where_a_text_is_a_loop_or_a_guess(
        self, text: str, logprob: float, *, is_poor: bool
    ) -> None:
        assert fallback.quality_of(text, logprob=logprob).is_poor is is_poor


class TestBest:
    @pytest.mark.parametrize(
        ("found", "kept"),
        [
            ([(1.0, -0.5)], 0),
            ([(9.0, -0.1), (1.0, -0.9)], 1),  # a loop is likely, and nothing worth
            ([(1.0, -3.0), (1.2, -2.0), (1.1, -2.5)], 1),  # below the bound likelihood counts alone
            ([(9.0, -0.1), (5.0, -3.0), (7.0, -0.2)], 1),  # all loop: the least
            ([(3.0, -1.0), (3.0, -1.0)], 0),  # of equals the first, which no chance has made
        ],
    )
    def test_repeats_itself_least_then_is_the_likeliest(
        self, found: list[tuple[float, float]], kept: int
    ) -> None:
        assert fallback.best([Quality(repetition=r, logprob=p) for r, p in found]) == kept

    def test_a_likelihood_of_nothing_loses(self) -> None:
        found = [Quality(repetition=1, logprob=-math.inf), Quality(repetition=1, logprob=-9)]

        assert fallback.best(found) == 1
