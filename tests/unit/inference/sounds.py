"""Recordings of every format for tests, written by the codec library itself."""

import array
import io
import math
from fractions import Fraction
from typing import Any

import av

RATE = 16_000
# format name: container, codec, rate
FORMATS = {
    "wav": ("wav", "pcm_s16le", RATE),
    "mp3": ("mp3", "libmp3lame", RATE),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "flac": ("flac", "flac", RATE),
    "mp4": ("mp4", "aac", RATE),
    "aac": ("adts", "aac", RATE),
}


def hum(*, seconds: float, rate: int = RATE, pitch: int = 440) -> "array.array[int]":
    """Return 16-bit samples of one steady tone."""
    step = 2 * math.pi * pitch / rate
    return array.array("h", (int(8000 * math.sin(step * i)) for i in range(int(seconds * rate))))


def recording(name: str = "wav", *, seconds: float = 1.0) -> bytes:
    """Return a file of a tone."""
    container, codec, rate = FORMATS[name]
    return encoded(hum(seconds=seconds, rate=rate), container=container, codec=codec, rate=rate)


def encoded(
    samples: "array.array[int]",
    *,
    container: str = "wav",
    codec: str = "pcm_s16le",
    rate: int = RATE,
) -> bytes:
    """Return a file of 16-bit samples of one channel."""
    written = io.BytesIO()
    with av.open(written, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout="mono")
        for at in range(0, len(samples), 1024):
            output.mux(stream.encode(_frame(samples[at : at + 1024], rate=rate, at=at)))
        output.mux(stream.encode(None))
    return written.getvalue()


def silent_video() -> bytes:
    """Return a video without a track of sound."""
    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=8, width=16, height=16, pix_fmt="yuv420p")
        for _ in range(8):
            output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(stream.encode(None))
    return written.getvalue()


def _frame(part: "array.array[int]", *, rate: int, at: int) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(part))
    frame.planes[0].update(part.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame
