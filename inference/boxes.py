"""Bounds the index of an MP4 file before a demuxer builds it.

The index of a few bytes can claim more samples than there is memory for: each becomes a record of
24 bytes while the file is opened, and no option of the demuxer stops that. So what the tables claim
is added up here first, from the bytes alone.
Source: ISO/IEC 14496-12, boxes stsz, stz2, stsc, stco, co64 and trun.
"""

import struct
from collections.abc import Iterator

_HEAD = struct.Struct(">I4s")
_COUNT = struct.Struct(">I")
_SAMPLES_OF_A_PACKET = 1024  # uncompressed sound is cut into packets of so many


def claimed_packets(data: bytes) -> int | None:
    """Return at least as many packets as the tables claim; None where they cannot be read.

    The tables are found by their names, wherever they stand: a demuxer accepts them in odd places.
    """
    claimed = 0
    for start, end in _outside_of_media(data):
        if data.find(b"cmov", start, end) >= 0:
            return None  # a compressed index
        claimed += sum(_counts(data, b"stsz", start, end, skip=8))
        claimed += sum(_counts(data, b"stz2", start, end, skip=8))
        claimed += sum(_counts(data, b"trun", start, end, skip=4))
        claimed += _uncompressed(data, start, end)
    return claimed


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


def _counts(data: bytes, name: bytes, start: int, end: int, *, skip: int) -> Iterator[int]:
    """Yield the number that stands `skip` bytes behind each occurrence of a box's name."""
    at = data.find(name, start, end)
    while at >= 0:
        place = at + len(name) + skip
        if place + _COUNT.size <= len(data):
            yield _COUNT.unpack_from(data, place)[0]
        at = data.find(name, at + 1, end)


def _uncompressed(data: bytes, start: int, end: int) -> int:
    """Return the packets of sound that is cut by its chunks, as samples without compression are."""
    chunks = max(
        (
            min(count, len(data) // 4)  # each takes four bytes at least, whatever the count says
            for name in (b"stco", b"co64")
            for count in _counts(data, name, start, end, skip=4)
        ),
        default=0,
    )
    return chunks * (_most_of_a_chunk(data, start, end) // _SAMPLES_OF_A_PACKET)


def _most_of_a_chunk(data: bytes, start: int, end: int) -> int:
    """Return the largest number of samples that any chunk claims."""
    most = 0
    at = data.find(b"stsc", start, end)
    while at >= 0:
        body = data[at + 12 : end]
        count = int.from_bytes(data[at + 8 : at + 12])
        rows = min(count, len(body) // 12)
        most = max(
            [most, *(row[1] for row in struct.iter_unpack(">III", body[: rows * 12]))],
        )
        at = data.find(b"stsc", at + 1, end)
    return most
