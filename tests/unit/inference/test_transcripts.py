"""Reading text and marks of time out of what Whisper writes."""

from collections.abc import Sequence

from inference.backends.transcripts import Clock, segments, words
from inference.types import Decoding, Segment, Span

WORDS = {1: " good", 2: " morn", 3: "ing", 4: "\N{REPLACEMENT CHARACTER}", 5: "你"}
MARK = 100  # of 0.00; MARK + 50 is a second later
CLOCK = Clock(first_mark=MARK, mark_ms=20, start_ms=60_000, length_ms=5_000)
DECODING = Decoding(seek=6_000, temperature=0.2, logprob=-0.5, repetition=1.2, silence=0.1)


def decode(ids: Sequence[int]) -> str:
    if list(ids) == [4, 4]:
        return "é"  # two tokens that make one character
    return "".join(WORDS.get(token, "") for token in ids)


def span(start_ms: int, end_ms: int, text: str) -> Span:
    return Span(start_ms=start_ms, end_ms=end_ms, text=text)


def segment(start_ms: int, end_ms: int, text: str, *tokens: int) -> Segment:
    return Segment(start_ms=start_ms, end_ms=end_ms, text=text, tokens=tokens, decoding=DECODING)


def found_in(ids: Sequence[int]) -> list[Segment]:
    return segments(ids, clock=CLOCK, decode=decode, decoding=DECODING)


class TestSegments:
    def test_lie_between_marks(self) -> None:
        ids = [MARK + 5, 1, MARK + 50, MARK + 60, 2, 3, MARK + 100]

        assert found_in(ids) == [
            segment(60_100, 61_000, "good", 1),
            segment(61_200, 62_000, "morning", 2, 3),
        ]

    def test_without_a_mark_take_the_whole_window(self) -> None:
        assert found_in([1]) == [segment(60_000, 65_000, "good", 1)]

    def test_that_break_off_go_on_to_the_end(self) -> None:
        assert found_in([MARK + 50, 1]) == [segment(61_000, 65_000, "good", 1)]

    def test_never_end_behind_the_window(self) -> None:
        assert found_in([MARK, 1, MARK + 1_000]) == [segment(60_000, 65_000, "good", 1)]

    def test_without_text_are_left_out(self) -> None:
        assert found_in([MARK, MARK + 50, 99, MARK + 60]) == []


class TestWords:
    def test_begin_with_a_space_and_end_with_their_last_token(self) -> None:
        ids = [MARK, 1, 2, 3, MARK + 100]
        seconds = [0.1, 0.5, 0.9, 1.2, 2.0]

        found = words(ids, seconds, clock=CLOCK, decode=decode, language="en")

        assert found == [span(60_100, 60_500, "good"), span(60_500, 61_200, "morning")]

    def test_wait_for_whole_characters(self) -> None:
        found = words([1, 4, 4], [0.5, 0.7, 0.9], clock=CLOCK, decode=decode, language="en")

        assert found == [span(60_000, 60_900, "goodé")]

    def test_are_characters_where_no_spaces_are_written(self) -> None:
        found = words([5, 5], [0.5, 0.9], clock=CLOCK, decode=decode, language="zh")

        assert found == [span(60_000, 60_500, "你"), span(60_500, 60_900, "你")]

    def test_never_run_backwards(self) -> None:
        found = words([1, 2], [0.9, 0.4], clock=CLOCK, decode=decode, language="en")

        assert found == [span(60_000, 60_900, "good"), span(60_900, 60_900, "morn")]
