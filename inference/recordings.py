"""Reads recordings: how long one is, and its sound. Bounded for hostile files too; knows no torch.

A web process asks `probe` before a job is admitted; a worker reads with `sound`. Both open a file
only as what its first bytes say it is: so no demuxer is guessed, none that follows links is ever
reached, and nothing but a few decoders of sound is.
"""

import contextlib
import dataclasses
import io
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
from av.stream import Discard

from inference import boxes
from inference.errors import InputRejected

MOST_BYTES = 512 * 1024**2  # four hours of uncompressed speech
MOST_CHANNELS = 8
RATES = range(4_000, 384_001)  # samples a second
READABLE = ("wav", "mp3", "ogg", "webm", "flac", "m4a", "mp4", "aac")

_MOST_PACKETS = 2_000_000  # four hours of packets of 10 ms are 1.4 million
_MOST_BAD_PACKETS = 100  # in a row; damaged recordings have a few
_MOST_CHANGES = 100  # of rate or channels within one recording
_SLACK_BYTES = 64 * 1024**2
_REREAD = 64  # times the file, for those that keep sound and pictures far apart
_DEMUXERS = {"wav": "wav", "mp3": "mp3", "ogg": "ogg", "webm": "matroska", "flac": "flac",
             "mp4": "mov", "aac": "aac"}  # fmt: skip
_CODECS = frozenset({
    "aac", "alac", "flac", "libopus", "mp1float", "mp2float", "mp3", "mp3float", "opus", "vorbis",
    "pcm_alaw", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24le",
    "pcm_s32le", "pcm_u8",
})  # fmt: skip
_OPTIONS = {
    "protocol_whitelist": "none",  # nothing is read but the bytes at hand
    "codec_whitelist": ",".join(sorted(_CODECS)),
    "ignore_editlist": "1",  # an edit list may name each sample a million times
}
# In these, the head says how long it is, or the end does; in the others it is an estimate.
_TOLD = frozenset({"wav", "ogg", "webm", "flac", "mp4"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is known of a recording before it is decoded."""

    duration_ms: int  # at least 1; as the file says, or by its packets where it says nothing
    format: str  # wav, mp3, ogg, webm, flac, mp4 or aac
    channels: int
    rate: int  # samples a second, of each channel


def probe(data: bytes) -> Recording:
    """Return how long a recording is and what it is made of, without decoding it.

    Raises:
        InputRejected: it is no recording that `sound` could read.
    """
    with _opened(data) as (container, stream, name):
        seconds = _told_seconds(container, stream) if name in _TOLD else 0
        if seconds <= 0:
            seconds = _counted_seconds(container, stream, most_bytes=len(data))
        if seconds <= 0:
            raise _rejected("holds no sound")
        return Recording(
            duration_ms=max(1, math.ceil(seconds * 1000)),
            format=name,
            channels=stream.codec_context.channels,
            rate=stream.codec_context.sample_rate,
        )


def sound(data: bytes, *, rate: int, most_ms: int, check: Callable[[], None]) -> Iterator[bytes]:
    """Yield the sound: float32 samples of one channel, in the machine's byte order, piece by piece.

    Args:
        data: the file.
        rate: of the samples that are wanted, a second.
        most_ms: where to stop, whatever the file says about its length.
        check: called for each packet; may raise to end the reading.

    Raises:
        InputRejected: there is no sound in it.
    """
    left = rate * most_ms // 1000
    has_sound = False
    with _opened(data) as (container, stream, _):
        packets = _packets(container, stream, most_bytes=len(data))
        for frame in _mixed(_frames(packets, check=check), rate=rate):
            piece = bytes(frame.planes[0])[: 4 * min(frame.samples, left)]
            if piece:
                has_sound = True
                left -= len(piece) // 4
                yield piece
            if left <= 0:
                break
    if not has_sound:
        raise _rejected("holds no sound")


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[tuple[Any, Any, str]]:
    """Open a file and find its first track of sound."""
    name = _format_of(data)
    if len(data) > MOST_BYTES:
        raise _rejected(f"has {len(data)} bytes; at most {MOST_BYTES} are read")
    if name == "mp4" and not _has_a_small_index(data):
        raise _rejected("has an index that cannot be read")
    try:
        container = av.open(
            _Bounded(data),
            format=_DEMUXERS[name],
            container_options=_OPTIONS,
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, ValueError, _EndlessError):
        raise _rejected("is damaged or incomplete") from None
    with container:
        yield container, _track(container), name


def _track(container: Any) -> Any:
    if not container.streams.audio:
        raise _rejected("has no track of sound")
    stream = container.streams.audio[0]
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    context = stream.codec_context
    if context is None or context.name not in _CODECS:
        raise _rejected("has sound in a coding that is not read here")
    context.thread_count = 1
    _check_shape(rate=context.sample_rate, channels=context.channels)
    return stream


def _check_shape(*, rate: int, channels: int) -> None:
    if rate not in RATES:
        raise _rejected(f"has {rate} samples a second; {RATES.start} to {RATES.stop - 1} are read")
    if not 1 <= channels <= MOST_CHANNELS:
        raise _rejected(f"has {channels} channels; 1 to {MOST_CHANNELS} are read")


def _told_seconds(container: Any, stream: Any) -> Fraction:
    if stream.duration:
        return Fraction(stream.duration) * Fraction(stream.time_base)
    return Fraction(container.duration or 0, av.time_base)


def _counted_seconds(container: Any, stream: Any, *, most_bytes: int) -> Fraction:
    """Return the time that the packets cover, by their own times or else by their lengths."""
    first, last, total = None, 0, 0
    for packet in _packets(container, stream, most_bytes=most_bytes):
        length = packet.duration or 0
        total += length
        if packet.pts is not None:
            first = packet.pts if first is None else min(first, packet.pts)
            last = max(last, packet.pts + length)
    covered = 0 if first is None else last - first
    return max(covered, total) * Fraction(stream.time_base)


def _packets(container: Any, stream: Any, *, most_bytes: int) -> Iterator[Any]:
    """Yield the track's packets; a file that breaks off ends there."""
    allowed = most_bytes * 8 + 2**20  # packets may lie compressed in the file
    try:
        for number, packet in enumerate(container.demux(stream)):
            allowed -= packet.size
            if number >= _MOST_PACKETS or allowed < 0:
                raise _rejected("has too many pieces to be read")
            yield packet
    except (av.error.FFmpegError, _EndlessError):
        return


def _frames(packets: Iterator[Any], *, check: Callable[[], None]) -> Iterator[Any]:
    bad = 0
    for packet in packets:
        check()
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            bad += 1
            if bad > _MOST_BAD_PACKETS:
                raise _rejected("is damaged") from None
            continue
        bad = 0
        for frame in frames:
            _check_shape(rate=frame.sample_rate, channels=frame.layout.nb_channels)
            yield frame


def _mixed(frames: Iterator[Any], *, rate: int) -> Iterator[Any]:
    """Yield the frames as float32 of one channel at `rate`, also where they change their shape."""
    resampler, shape, changes = None, None, 0
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or found != shape:
            if resampler is not None:
                yield from _resampled(resampler, None)
            changes += 1
            if changes > _MOST_CHANGES:
                raise _rejected("changes its shape too often")
            resampler, shape = av.AudioResampler(format="flt", layout="mono", rate=rate), found
        frame.pts = None  # gaps and jumps in time are not filled: what is there follows itself
        yield from _resampled(resampler, frame)
    if resampler is not None:
        yield from _resampled(resampler, None)


def _resampled(resampler: Any, frame: Any) -> list[Any]:
    try:
        return list(resampler.resample(frame))
    except (av.error.FFmpegError, ValueError):
        raise _rejected("has channels that cannot be mixed") from None


def _has_a_small_index(data: bytes) -> bool:
    claimed = boxes.claimed_packets(data)
    return claimed is not None and claimed <= _MOST_PACKETS


def _format_of(data: bytes) -> str:
    head = data[_tag_bytes(data) :][:12]
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "mp4"
    for magic, name in ((b"fLaC", "flac"), (b"OggS", "ogg"), (b"\x1a\x45\xdf\xa3", "webm")):
        if head.startswith(magic):
            return name
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "aac" if head[1] & 0x06 == 0 else "mp3"  # the layer's bits; ADTS has none
    raise _rejected(f"is no recording; send one of {', '.join(READABLE)}")


def _tag_bytes(data: bytes) -> int:
    """Return the length of an ID3 tag in front. Source: ID3 2.4.0, section 3.1."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for part in data[6:10]:
        size = size << 7 | part & 0x7F
    return size + 10


def _rejected(problem: str) -> InputRejected:
    return InputRejected(f"The file {problem}.", field="file")


class _EndlessError(Exception):
    """A demuxer has read the file over and over."""


class _Bounded(io.BytesIO):
    """A file in memory that ends a demuxer which does not end by itself."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = len(data) * _REREAD + _SLACK_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise _EndlessError
        return piece
