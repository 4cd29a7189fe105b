"""Reads the tokens that Whisper writes: text between marks of time. Knows no torch."""

import dataclasses
from collections.abc import Callable, Sequence

from inference.types import Decoding, Segment, Span

Decode = Callable[[Sequence[int]], str]

_BROKEN = "\N{REPLACEMENT CHARACTER}"  # what half a character decodes to
# Scripts that put no spaces between words: each character is a word there.
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the marks of one window mean."""

    first_mark: int  # the token of 0.00; all tokens behind it are marks too
    mark_ms: int  # between two marks
    start_ms: int  # of the window
    length_ms: int

    def time_of(self, mark: int) -> int:
        """Return the time in the recording that a mark means, never behind the window's end."""
        return self.at((mark - self.first_mark) * self.mark_ms)

    def at(self, offset_ms: int) -> int:
        """Return the time in the recording of a time in the window."""
        return self.start_ms + min(max(offset_ms, 0), self.length_ms)


def segments(
    ids: Sequence[int], *, clock: Clock, decode: Decode, decoding: Decoding
) -> list[Segment]:
    """Return the pieces of text between marks; one that no mark ends goes on to the window's end.

    Args:
        ids: tokens of text and marks.
        clock: of the window.
        decode: turns tokens of text into text.
        decoding: of the window.
    """
    found: list[Segment] = []

    def keep(tokens: Sequence[int], start: int, end: int) -> None:
        segment = Segment(
            start_ms=start,
            end_ms=max(start, end),
            text=decode(tokens).strip(),
            tokens=tuple(tokens),
            decoding=decoding,
        )
        if segment.text:
            found.append(segment)

    start, held = clock.start_ms, list[int]()
    for token in ids:
        if token < clock.first_mark:
            held.append(token)
            continue
        time = clock.time_of(token)
        if held:
            keep(held, start, time)
            held = []
        start = time
    if held:
        keep(held, start, clock.at(clock.length_ms))
    return found


def words(
    ids: Sequence[int], seconds: Sequence[float], *, clock: Clock, decode: Decode, language: str
) -> list[Span]:
    """Return the words with their times.

    Args:
        ids: tokens of text and marks.
        seconds: for each token, when it ends, from the start of the window.
        clock: of the window.
        decode: turns tokens of text into text.
        language: ISO 639-1; says whether spaces part words.
    """
    found: list[Span] = []
    for text, start, end in _characters(ids, seconds, clock=clock, decode=decode):
        starts_word = language in _UNSPACED or text.startswith(" ") or not found
        if starts_word:
            found.append(Span(start_ms=start, end_ms=end, text=text))
        else:
            last = found[-1]
            found[-1] = Span(start_ms=last.start_ms, end_ms=end, text=last.text + text)
    stripped = [dataclasses.replace(span, text=span.text.strip()) for span in found]
    return [span for span in stripped if span.text]


def _characters(
    ids: Sequence[int], seconds: Sequence[float], *, clock: Clock, decode: Decode
) -> list[tuple[str, int, int]]:
    """Return the smallest runs of tokens that are whole characters, with start and end."""
    found = []
    held: list[int] = []
    start = previous = clock.start_ms
    for token, second in zip(ids, seconds, strict=True):
        end = max(previous, clock.at(round(second * 1000)))
        if token < clock.first_mark:
            start = start if held else previous
            held.append(token)
            text = decode(held)
            if not text.endswith(_BROKEN):
                found.append((text, start, end))
                held = []
        previous = end
    return found
