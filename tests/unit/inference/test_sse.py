"""Server-sent events come whole out of a stream, however its bytes are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.sse import EventReader, EventTooLong


def read(stream: bytes, *cuts: int) -> list[str]:
    reader = EventReader()
    edges = [0, *sorted(cuts), len(stream)]
    return [
        event
        for start, end in itertools.pairwise(edges)
        for event in reader.feed(stream[start:end])
    ]


STREAM = (
    'data: {"a": "héllo 🙂"}\r\n\r\n: ping\n\ndata:x\ndata: y\n\nid: 7\rdata: [DONE]\r\r\n'.encode()
)
EVENTS = ['{"a": "héllo 🙂"}', "x\ny", "[DONE]"]


class TestFeed:
    def test_gives_the_data_of_each_event(self) -> None:
        assert read(STREAM) == EVENTS

    def test_takes_single_bytes(self) -> None:
        assert read(STREAM, *range(len(STREAM))) == EVENTS

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8))
    def test_does_not_care_where_the_stream_is_cut(self, cuts: list[int]) -> None:
        assert read(STREAM, *cuts) == EVENTS

    def test_keeps_an_event_back_until_it_is_complete(self) -> None:
        assert read(b"data: a\n") == []

    def test_skips_comments_and_events_without_data(self) -> None:
        assert read(b": keep-alive\n\nevent: ping\n\nretry: 5\n\n") == []

    def test_takes_one_space_away_and_no_more(self) -> None:
        assert read(b"data:  a\n\n") == [" a"]

    def test_replaces_what_is_no_text(self) -> None:
        assert read(b"data: \xff\n\n") == ["\ufffd"]


class TestBounds:
    @pytest.mark.parametrize("flood", [b"data: " + b"x" * 200, b"data: xxxxxxxxxx\n" * 20])
    def test_refuses_an_event_that_never_ends(self, flood: bytes) -> None:
        reader = EventReader(max_bytes=100)

        with pytest.raises(EventTooLong):
            reader.feed(flood)

    def test_counts_each_event_for_itself(self) -> None:
        reader = EventReader(max_bytes=100)

        assert len(reader.feed(b"data: xxxxxxxxxx\n\n" * 20)) == 20

    def test_refuses_it_in_single_bytes_too(self) -> None:
        reader = EventReader(max_bytes=100)

        with pytest.raises(EventTooLong):
            [reader.feed(b"x") for _ in range(101)]
