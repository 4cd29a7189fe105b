"""Telephone tones: pitches, keys, and recordings by chance."""

import random

import numpy as np
import pytest

from inference.backends.tiny import tones


def loudest_pitches(samples: tones.Samples) -> list[int]:
    """Return the two loudest pitches in Hz, each within 10."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    peaks = [
        bin_
        for bin_ in range(1, len(spectrum) - 1)
        if spectrum[bin_ - 1] < spectrum[bin_] >= spectrum[bin_ + 1]
    ]
    loudest = sorted(peaks, key=lambda bin_: spectrum[bin_])[-2:]
    return sorted(round(bin_ * tones.RATE / len(samples)) for bin_ in loudest)


@pytest.mark.parametrize(("key", "pitches"), [("1", [697, 1209]), ("0", [941, 1336]), ("D", [941, 1633])])  # fmt: skip
def test_a_tone_has_the_two_pitches_of_its_key(key: str, pitches: list[int]) -> None:
    assert loudest_pitches(tones.tone(key, seconds=0.5)) == pytest.approx(pitches, abs=3)


def test_there_are_sixteen_keys() -> None:
    assert tones.KEYS == "#*0123456789ABCD"


def test_a_tone_comes_and_goes_without_a_click() -> None:
    samples = tones.tone("5", seconds=0.2)

    assert abs(samples[0]) < 0.01
    assert abs(samples[-1]) < 0.01


def test_dialling_is_the_same_for_the_same_seed() -> None:
    first, again = (
        tones.dialling(random.Random(3), most_s=5, most_keys=12)  # noqa: S311 - repeatable
        for _ in range(2)
    )

    assert first.presses == again.presses
    assert np.array_equal(first.samples, again.samples)


def test_dialling_keeps_to_its_bounds() -> None:
    rng = random.Random(4)  # noqa: S311 - repeatable

    found = [tones.dialling(rng, most_s=5, most_keys=6) for _ in range(200)]

    assert max(len(one.samples) for one in found) <= 5 * tones.RATE
    assert {len(one.presses) for one in found} == set(range(7))
    assert all(press.end_s <= 5 for one in found for press in one.presses)
