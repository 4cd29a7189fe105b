"""Writes samples down as a file of sound, in any of the formats that may be asked for."""

import dataclasses
import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from inference.types import MediaFile, SoundFormat

Samples = npt.NDArray[np.float32]

_PCM_RATE = 24_000  # a headerless file cannot say its rate, so it is always the same
_OPUS_RATE = 48_000  # the coder knows few rates, and players show this one whatever it was
_RATES = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_PIECE_S = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    media_type: str
    container: str
    codec: str
    rate: int | None = None  # None: that of the samples


_KINDS = {
    SoundFormat.MP3: _Kind(media_type="audio/mpeg", container="mp3", codec="libmp3lame"),
    SoundFormat.OPUS: _Kind(
        media_type="audio/ogg", container="ogg", codec="libopus", rate=_OPUS_RATE
    ),
    SoundFormat.AAC: _Kind(media_type="audio/aac", container="adts", codec="aac"),
    SoundFormat.FLAC: _Kind(media_type="audio/flac", container="flac", codec="flac"),
    SoundFormat.WAV: _Kind(media_type="audio/wav", container="wav", codec="pcm_s16le"),
    SoundFormat.PCM: _Kind(
        media_type="audio/pcm", container="s16le", codec="pcm_s16le", rate=_PCM_RATE
    ),
}


def write(
    samples: Samples, *, rate: int, as_format: SoundFormat, check: Callable[[], None]
) -> MediaFile:
    """Return a file of one channel; the same samples always give the same bytes.

    Args:
        samples: float32, [time]; what is louder than 1 is cut.
        rate: of the samples, a second.
        as_format: of the file.
        check: called for each second of sound; may raise to end the writing.
    """
    kind = _KINDS[as_format]
    written = io.BytesIO()
    # Without this flag, names of versions and random serial numbers go into the file.
    options = {"fflags": "+bitexact"}
    with av.open(written, "w", format=kind.container, options=options) as output:
        stream: Any = output.add_stream(kind.codec, rate=_rate(kind, rate), layout="mono")
        stream.codec_context.thread_count = 1
        for frame in _frames(samples, rate=rate):
            check()
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return MediaFile(
        content=written.getvalue(),
        media_type=kind.media_type,
        duration_ms=len(samples) * 1000 // rate,
    )


def _rate(kind: _Kind, rate: int) -> int:
    return kind.rate or (rate if rate in _RATES else _PCM_RATE)


def _frames(samples: Samples, *, rate: int) -> Iterator[av.AudioFrame]:
    whole = np.clip(samples, -1, 1).astype(np.float32, copy=False).reshape(1, -1)
    step = rate * _PIECE_S
    for at in range(0, whole.shape[1], step):
        piece = np.ascontiguousarray(whole[:, at : at + step])
        frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        yield frame
