"""Cuts a stream of sound into windows that a model hears one by one. Knows no torch."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

_SEARCHED = 1 / 6  # of a window, at its end, for a quiet place: 5 s of 30
_STEP_S, _STEPS_OF_A_STRETCH = 0.02, 5  # stretches of a tenth of a second, wherever they begin


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a recording."""

    start: int  # samples before it
    samples: Samples  # float32, [time]

    @property
    def end(self) -> int:
        """Samples up to its end."""
        return self.start + len(self.samples)


def windows(pieces: Iterable[bytes], *, rate: int, most: int) -> Iterator[Window]:
    """Yield the windows of a recording, in order and without gaps.

    A window ends in the quietest tenth of a second near its longest possible end, so that few words are cut;
    so each can be heard by itself, and several at once.

    Args:
        pieces: float32 samples in the machine's byte order.
        rate: of the samples, a second.
        most: samples of a window.
    """
    left, start = np.zeros(0, dtype=np.float32), 0
    for whole in _filled(pieces, most=most):
        left = np.concatenate([left, whole])
        while len(left) > most:
            cut = _quietest(left[:most], rate=rate)
            yield Window(start=start, samples=left[:cut])
            left, start = left[cut:], start + cut
    if len(left):
        yield Window(start=start, samples=left)


def _filled(pieces: Iterable[bytes], *, most: int) -> Iterator[Samples]:
    """Yield the samples in runs of about a window, so that few arrays are joined."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece) // 4
        if size >= most:
            yield np.frombuffer(b"".join(held), dtype=np.float32)
            held, size = [], 0
    yield np.frombuffer(b"".join(held), dtype=np.float32)


def _quietest(samples: Samples, *, rate: int) -> int:
    """Return where to cut: in the middle of the last of the quietest stretches that are searched."""
    step = max(1, int(rate * _STEP_S))
    steps = max(_STEPS_OF_A_STRETCH, int(len(samples) * _SEARCHED) // step)
    energy = np.square(samples[-steps * step :]).reshape(steps, -1).sum(axis=1)
    loudness = np.convolve(energy, np.ones(_STEPS_OF_A_STRETCH), mode="valid")
    chosen = len(loudness) - 1 - int(np.argmin(loudness[::-1]))
    return len(samples) - (steps - chosen) * step + _STEPS_OF_A_STRETCH * step // 2
