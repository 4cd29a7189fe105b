"""How long a recording is, and its sound: honest files, broken ones, and hostile ones."""

import array
import random
import struct
from collections.abc import Callable

import pytest

from inference import boxes, recordings
from inference.errors import Cancelled, InputRejected
from tests.unit.inference import sounds

MILLION = 1_000_000
NOT_READ = [
    pytest.param(b"", "is no recording", id="nothing"),
    pytest.param(b"%PDF-1.7 " * 50, "is no recording", id="a document"),
    pytest.param(b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "is no recording", id="a list of links"),
    pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", "is damaged", id="a head alone"),
    pytest.param(sounds.silent_video(), "has no track of sound", id="a silent video"),
]


def heard(data: bytes, *, most_ms: int = 100_000) -> "array.array[float]":
    pieces = recordings.sound(data, rate=16_000, most_ms=most_ms, check=lambda: None)
    return array.array("f", b"".join(pieces))


def with_field(data: bytes, name: bytes, *, skip: int, value: int, order: str) -> bytes:
    """Return the file with another number behind the name of one of its chunks or boxes."""
    at = data.index(name) + len(name) + skip
    return data[:at] + struct.pack(f"{order}I", value) + data[at + 4 :]


def damaged(data: bytes, *, seed: int) -> bytes:
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    changed = bytearray(data)
    for _ in range(rng.choice((1, 4, 30))):
        changed[rng.randrange(rng.choice((64, len(changed))))] = rng.randrange(256)
    return bytes(changed)


class TestProbe:
    @pytest.mark.parametrize("name", sounds.FORMATS)
    def test_tells_the_length_of_each_format(self, name: str) -> None:
        found = recordings.probe(sounds.recording(name, seconds=2))

        assert found.format == name
        assert found.channels == 1
        assert found.rate == sounds.FORMATS[name][2]
        assert 2_000 <= found.duration_ms <= 2_150  # coders pad their last packet

    @pytest.mark.parametrize(("data", "reason"), NOT_READ)
    def test_refuses_what_is_no_recording(self, data: bytes, reason: str) -> None:
        with pytest.raises(InputRejected, match=reason) as caught:
            recordings.probe(data)

        assert caught.value.field == "file"

    @pytest.mark.parametrize("name", ["wav", "mp3", "ogg", "webm", "flac", "aac"])
    def test_takes_a_file_that_breaks_off(self, name: str) -> None:
        whole = sounds.recording(name, seconds=2)

        assert recordings.probe(whole[: len(whole) // 2]).duration_ms > 0

    def test_counts_where_the_head_does_not_say(self) -> None:
        # Muxed to a pipe, a WAV's head is written before its length is known.
        endless = with_field(
            sounds.recording(seconds=2), b"data", skip=0, value=0xFFFFFFFF, order="<"
        )

        assert recordings.probe(endless).duration_ms == 2_000

    @pytest.mark.parametrize("rate", [0, 100, 2_000_000_000])
    def test_refuses_impossible_rates(self, rate: int) -> None:
        data = with_field(sounds.recording(), b"fmt ", skip=8, value=rate, order="<")

        with pytest.raises(InputRejected):
            recordings.probe(data)

    def test_refuses_too_many_channels(self) -> None:
        data = bytearray(sounds.recording())
        at = data.index(b"fmt ") + 10
        data[at : at + 2] = struct.pack("<H", 60_000)

        with pytest.raises(InputRejected, match="channels"):
            recordings.probe(bytes(data))

    def test_refuses_an_index_that_would_fill_the_memory(self) -> None:
        data = with_field(sounds.recording("mp4"), b"stsz", skip=8, value=80 * MILLION, order=">")

        with pytest.raises(InputRejected, match="index"):
            recordings.probe(data)

    def test_refuses_too_many_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recordings, "MOST_BYTES", 1_000)

        with pytest.raises(InputRejected, match="at most 1000"):
            recordings.probe(sounds.recording())

    @pytest.mark.parametrize("name", sounds.FORMATS)
    def test_damage_never_ends_in_another_error(self, name: str) -> None:
        whole = sounds.recording(name, seconds=0.5)

        outcomes = {_outcome(damaged(whole, seed=seed)) for seed in range(25)}

        assert outcomes <= {"read", "refused"}


class TestSound:
    @pytest.mark.parametrize("name", sounds.FORMATS)
    def test_decodes_each_format_to_one_channel(self, name: str) -> None:
        samples = heard(sounds.recording(name, seconds=2))

        assert 2_000 <= len(samples) / 16 <= 2_150  # coders pad their ends
        assert max(samples[8_000:24_000]) == pytest.approx(8_000 / 32_768, abs=0.03)

    @pytest.mark.parametrize("name", sounds.FORMATS)
    def test_stops_where_it_is_told_to(self, name: str) -> None:
        assert len(heard(sounds.recording(name, seconds=2), most_ms=500)) == 8_000

    def test_a_head_that_lies_changes_nothing(self) -> None:
        data = with_field(sounds.recording(seconds=1), b"data", skip=0, value=2**31, order="<")

        assert len(heard(data)) == 16_000

    def test_asks_before_each_packet_whether_to_go_on(self) -> None:
        asked: list[None] = []

        with pytest.raises(Cancelled):
            _drain(sounds.recording(seconds=2), check=lambda: _cancel_at_the_third(asked))

        assert len(asked) == 3

    @pytest.mark.parametrize(("data", "reason"), NOT_READ)
    def test_refuses_what_is_no_recording(self, data: bytes, reason: str) -> None:
        with pytest.raises(InputRejected, match=reason):
            heard(data)

    def test_refuses_a_track_without_a_sample(self) -> None:
        with pytest.raises(InputRejected, match="no sound"):
            heard(_head_of(sounds.recording()))


class TestClaimedPackets:
    def test_counts_an_honest_index(self) -> None:
        data = sounds.recording("mp4", seconds=2)  # packets of 1,024 samples, and padding

        assert boxes.claimed_packets(data) == pytest.approx(2 * 16_000 / 1_024, abs=2)

    def test_does_not_look_into_the_media(self) -> None:
        media = b"stsz" + b"\xff" * 12
        data = struct.pack(">I4s", 8 + len(media), b"mdat") + media

        assert boxes.claimed_packets(data) == 0

    def test_finds_tables_in_odd_places(self) -> None:
        data = struct.pack(">I4s", 24, b"free") + b"stsz" + struct.pack(">III", 0, 1, 5 * MILLION)

        assert boxes.claimed_packets(data) == 5 * MILLION

    def test_multiplies_the_chunks_of_uncompressed_sound(self) -> None:
        chunks = b"stco" + struct.pack(">II", 0, 50) + bytes(200)
        row = b"stsc" + struct.pack(">IIIII", 0, 1, 1, 2**30, 1)
        data = struct.pack(">I4s", 8 + len(chunks + row), b"moov") + chunks + row

        assert boxes.claimed_packets(data) == 50 * 2**20

    def test_multiplies_what_stands_in_different_boxes(self) -> None:
        row = b"stsc" + struct.pack(">IIIII", 0, 1, 1, 2**30, 1)
        chunks = b"stco" + struct.pack(">II", 0, 50) + bytes(200)
        data = b"".join(
            struct.pack(">I4s", 8 + len(body), b"trak") + body for body in (row, chunks)
        )

        assert boxes.claimed_packets(data) == 50 * 2**20

    def test_gives_up_on_tables_without_end(self) -> None:
        body = b"stsc\xff\xff" * 200_000  # a table of four billion rows, again and again
        data = struct.pack(">I4s", 8 + len(body), b"moov") + body

        assert boxes.claimed_packets(data) is None

    def test_reads_no_compressed_index(self) -> None:
        assert boxes.claimed_packets(struct.pack(">I4s4s", 12, b"moov", b"cmov")) is None


def _drain(data: bytes, *, check: Callable[[], None]) -> None:
    for _ in recordings.sound(data, rate=16_000, most_ms=10_000, check=check):
        pass


def _cancel_at_the_third(asked: list[None]) -> None:
    asked.append(None)
    if len(asked) == 3:
        raise Cancelled


def _head_of(wav: bytes) -> bytes:
    end = wav.index(b"data") + 4
    return wav[:end] + bytes(4)


def _outcome(data: bytes) -> str:
    try:
        recordings.probe(data)
        heard(data, most_ms=2_000)
    except InputRejected:
        return "refused"
    return "read"
