"""Writes frames down as a video that browsers play, shown for exactly as long as was asked.

H.264 in MP4 or VP9 in WebM, through PyAV's own libraries: no program is started.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from inference.types import Container

_MILLISECOND = Fraction(1, 1000)  # the time base of both containers, so that durations are exact
_BT709 = 1  # colours, as ITU-T H.273 numbers them: what players take for granted
_TV_RANGE = 1

# Quality first where it is cheap: a model took seconds to minutes for these frames.
_CODECS: dict[Container, tuple[str, dict[str, str]]] = {
    # No B-frames: they would shift the start, and a player would need the edit list to undo it.
    Container.MP4: ("libx264", {"preset": "veryfast", "crf": "18", "bf": "0"}),
    Container.WEBM: (
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "crf": "24", "b": "0"},
    ),
}
# Bit-exact leaves out dates and random ids, so that the same frames are the same file.
_FLAGS = {
    Container.MP4: {"movflags": "+faststart", "fflags": "+bitexact"},
    Container.WEBM: {"fflags": "+bitexact"},
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """How a video is to be: each frame is shown for an equal share of the duration."""

    container: Container
    width: int  # pixels, even, as 4:2:0 needs
    height: int
    count: int  # of frames
    duration_ms: int  # of the whole; at least a millisecond for each frame

    def starts_at(self, number: int) -> int:
        """Return when a frame appears, in milliseconds."""
        return number * self.duration_ms // self.count

    def lasts_from(self, start_ms: int) -> int:
        """Return for how long the frame is shown that appears then."""
        number = -(-start_ms * self.count // self.duration_ms)
        return self.starts_at(number + 1) - start_ms


def write(
    frames: Iterable[NDArray[np.uint8]], film: Film, *, threads: int, on_frame: Callable[[], None]
) -> bytes:
    """Return the video of these frames (RGB, [height, width, 3]).

    Side effects: calls ``on_frame`` after each frame; what it raises ends the work.
    """
    # A file, not memory: to put the index first, the muxer reads what it has written again.
    with tempfile.TemporaryDirectory(prefix="genie-video-") as directory:
        path = Path(directory) / f"video.{film.container}"
        flags = _FLAGS[film.container]
        with av.open(path, "w", format=film.container.value, options=flags) as output:
            stream = _stream(output, film, threads=threads)
            for number, frame in enumerate(frames):
                picture = _converted(frame)
                picture.pts, picture.time_base = film.starts_at(number), _MILLISECOND
                _mux(output, stream, picture, film)
                on_frame()
            _mux(output, stream, None, film)
        return path.read_bytes()


def _stream(output: OutputContainer, film: Film, *, threads: int) -> VideoStream:
    codec, options = _CODECS[film.container]
    rate = Fraction(film.count * 1000, film.duration_ms).limit_denominator(1000)
    stream = cast(VideoStream, output.add_stream(codec, rate=rate, options=options))
    context = stream.codec_context
    context.width, context.height = film.width, film.height
    context.pix_fmt = "yuv420p"
    context.time_base = stream.time_base = _MILLISECOND
    context.thread_count = threads
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _TV_RANGE
    return stream


def _converted(frame: NDArray[np.uint8]) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return picture.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )


def _mux(
    output: OutputContainer, stream: VideoStream, picture: av.VideoFrame | None, film: Film
) -> None:
    for packet in stream.encode(picture):
        # Told for every packet, so that the last frame is shown to the end of the video.
        packet.duration = film.lasts_from(packet.pts or 0)
        output.mux(packet)
