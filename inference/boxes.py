"""Bounds the index of an MP4 file before a demuxer builds it.

The index of a few bytes can claim more samples than there is memory for: each becomes a record of
24 bytes while the file is opened, and no option of the demuxer stops that. So what the tables claim
is added up here first, from the bytes alone.
Source: ISO/IEC 14496-12, boxes stsz, stz2, stsc, stco, co64 and trun.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import TypeVar

_HEAD = struct.Struct(">I4s")
_COUNT = struct.Struct(">I")
_ROW = struct.Struct(">III")
_SAMPLES_OF_A_PACKET = 1024  # uncompressed sound is cut into packets of so many
# What is read of one file: the names may stand anywhere, and tables may overlap.
_MOST_ROWS = 1_000_000
_MOST_BOXES = 100_000  # of a name; four hours in fragments of a second have 15,000

_T = TypeVar("_T")


class _UnreadableError(Exception):
    """The tables cannot be added up."""


def claimed_packets(data: bytes) -> int | None:
    """Return at least as many packets as the tables claim; None where they cannot be read.

    The tables are found by their names, wherever they stand: a demuxer accepts them in odd places.
    """
    try:
        return _claimed(data, list(_bounded(_outside_of_media(data))))
    except _UnreadableError:
        return None


def _claimed(data: bytes, ranges: list[tuple[int, int]]) -> int:
    if any(data.find(b"cmov", start, end) >= 0 for start, end in ranges):
        raise _UnreadableError  # a compressed index
    in_a_chunk = _most_of_a_chunk(data, ranges)
    claimed = sum(
        sum(_counts(data, name, ranges, skip=skip))
        for name, skip in ((b"stsz", 8), (b"stz2", 8), (b"trun", 4))
    )
    # Sound without compression is cut by its chunks, each of which takes four bytes at least.
    chunks = max(
        (
            min(count, len(data) // 4)
            for name in (b"stco", b"co64")
            for count in _counts(data, name, ranges, skip=4)
        ),
        default=0,
    )
    return claimed + chunks * (in_a_chunk // _SAMPLES_OF_A_PACKET)


def _outside_of_media(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of all top-level boxes but those of the media itself."""
    at = 0
    while at + _HEAD.size <= len(data):
        size, name = _HEAD.unpack_from(data, at)
        if size == 1 and at + 16 <= len(data):
            size = int.from_bytes(data[at + 8 : at + 16])
        if size == 0:
            size = len(data) - at
        end = at + size if size >= _HEAD.size else len(data)  # what is broken is looked through
        if name != b"mdat" or size < _HEAD.size:
            yield at, min(end, len(data))
        at = end


def _places(data: bytes, name: bytes, ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield where the body of each box of a name begins."""
    return _bounded(_found(data, name, ranges))


def _found(data: bytes, name: bytes, ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    for start, end in ranges:
        at = data.find(name, start, end)
        while at >= 0:
            yield at + len(name)
            at = data.find(name, at + 1, end)


def _bounded(found: Iterator[_T]) -> Iterator[_T]:
    """Yield what is found, but not without end."""
    for number, one in enumerate(found):
        if number >= _MOST_BOXES:
            raise _UnreadableError
        yield one


def _counts(
    data: bytes, name: bytes, ranges: Iterable[tuple[int, int]], *, skip: int
) -> Iterator[int]:
    """Yield the number that stands `skip` bytes into the body of each box of a name."""
    for place in _places(data, name, ranges):
        if place + skip + _COUNT.size <= len(data):
            yield _COUNT.unpack_from(data, place + skip)[0]


def _most_of_a_chunk(data: bytes, ranges: Iterable[tuple[int, int]]) -> int:
    """Return the largest number of samples that any chunk claims."""
    view = memoryview(data)
    most, left = 0, _MOST_ROWS
    for place in _places(data, b"stsc", ranges):
        rows = view[place + 8 :]
        count = min(int.from_bytes(data[place + 4 : place + 8]), len(rows) // _ROW.size)
        left -= count
        if left < 0:
            raise _UnreadableError
        claimed = _ROW.iter_unpack(rows[: count * _ROW.size])
        most = max(most, max((samples for _, samples, _ in claimed), default=0))
    return most
