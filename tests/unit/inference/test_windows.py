"""Cutting a recording into windows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.windows import Samples, windows

RATE, MOST = 100, 600  # a window of 6 s, whose last second is searched


def cut(samples: Samples, *, piece: int = 64) -> list[tuple[int, int]]:
    pieces = [samples[at : at + piece].tobytes() for at in range(0, len(samples), piece)]
    found = list(windows(pieces, rate=RATE, most=MOST))
    joined = [window.samples for window in found] or [np.zeros(0, dtype=np.float32)]
    assert np.array_equal(np.concatenate(joined), samples)
    return [(window.start, window.end) for window in found]


def noise(length: int) -> Samples:
    return np.random.default_rng(1).uniform(0.5, 1, length).astype(np.float32)


def test_a_short_recording_is_one_window() -> None:
    assert cut(noise(250)) == [(0, 250)]


def test_nothing_has_no_window() -> None:
    assert cut(noise(0)) == []


def test_a_recording_of_one_window_is_not_cut() -> None:
    assert cut(noise(MOST)) == [(0, MOST)]


def test_cuts_in_the_quietest_place_near_the_end() -> None:
    samples = noise(1000)
    samples[530:540] = 0

    assert cut(samples)[0] == (0, 535)


def test_does_not_cut_in_a_quiet_place_far_from_the_end() -> None:
    samples = noise(1000)
    samples[100:110] = 0

    assert cut(samples)[0][1] > 500


def test_cuts_silence_as_late_as_it_can() -> None:
    assert cut(np.zeros(1000, dtype=np.float32))[0] == (0, 595)


@given(length=st.integers(0, 3000), piece=st.integers(1, 1500))
def test_windows_follow_each_other_and_fit(length: int, piece: int) -> None:
    found = cut(noise(length), piece=piece)

    assert all(0 < end - start <= MOST for start, end in found)
    assert [start for start, _ in found[1:]] == [end for _, end in found[:-1]]
