"""Makes recordings of telephone tones, with what is dialled and when. Knows no torch."""

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 16_000
# Source: ITU-T Q.23. The low tone is the row's, the high one the column's.
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_KEYPAD = ("123A", "456B", "789C", "*0#D")
PITCHES = {
    key: (_ROWS[row], _COLUMNS[column])
    for row, keys in enumerate(_KEYPAD)
    for column, key in enumerate(keys)
}
KEYS = "".join(sorted(PITCHES))
_EDGE_S = 0.005  # of a tone, to come and go without a click
_EMPTY, _CLEAN = 0.05, 0.3  # shares of recordings without a key, and without noise

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One key, held down for a while."""

    key: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialling:
    """A recording of keys that are pressed one after another."""

    presses: tuple[Press, ...]
    samples: Samples


def tone(key: str, *, seconds: float, rate: int = RATE, detuned: float = 1.0) -> Samples:
    """Return the two sines of a key, each at half of full scale."""
    time = np.arange(int(seconds * rate)) / rate
    low, high = (np.sin(2 * np.pi * pitch * detuned * time) for pitch in PITCHES[key])
    edge = np.minimum(1, np.minimum(time, time[::-1]) / _EDGE_S) if len(time) else time
    return ((low + high) / 2 * edge).astype(np.float32)


def dial(keys: str, *, press_s: float = 0.15, pause_s: float = 0.1, rate: int = RATE) -> Samples:
    """Return a clean recording of keys, for demonstrations and tests."""
    silence = np.zeros(int(pause_s * rate), dtype=np.float32)
    parts = [silence]
    for key in keys:
        parts += [tone(key, seconds=press_s, rate=rate) * np.float32(0.6), silence]
    return np.concatenate(parts)


def dialling(rng: random.Random, *, most_s: float, most_keys: int) -> Dialling:
    """Return a recording with keys, times, loudness and noise by chance."""
    presses: list[Press] = []
    at = rng.uniform(0.0, 1.0)
    keys = 0 if rng.random() < _EMPTY else rng.randint(1, most_keys)
    for _ in range(keys):
        length = rng.uniform(0.08, 0.35)
        if at + length > most_s - 0.1:
            break
        presses.append(Press(key=rng.choice(KEYS), start_s=at, end_s=at + length))
        at += length + (rng.uniform(0.06, 0.3) if rng.random() < 0.85 else rng.uniform(0.8, 1.5))
    end = min(most_s, at + rng.uniform(0.0, 1.0))
    return Dialling(presses=tuple(presses), samples=_sound(rng, presses, seconds=end))


def _sound(rng: random.Random, presses: list[Press], *, seconds: float) -> Samples:
    noise = np.random.default_rng(rng.getrandbits(64))
    loudness = rng.uniform(0.05, 0.9)
    samples = np.zeros(int(seconds * RATE), dtype=np.float32)
    for press in presses:
        detuned = rng.uniform(0.985, 1.015)
        part = tone(press.key, seconds=press.end_s - press.start_s, detuned=detuned)
        start = int(press.start_s * RATE)
        part = part[: len(samples) - start]
        samples[start : start + len(part)] += part * np.float32(loudness * rng.uniform(0.7, 1.0))
    hiss = 0.0 if rng.random() < _CLEAN else loudness * 10 ** rng.uniform(-2.5, -0.9)
    return samples + noise.normal(0, hiss, len(samples)).astype(np.float32)
