"""Finds stop strings in text that arrives in pieces, however it is cut."""

from collections.abc import Sequence


class StopScanner:
    """Lets text through up to a stop string, and never lets any part of one out.

    Of several stop strings the one that is complete first wins; of those, the one that began
    first. So the result does not depend on where the pieces were cut.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """Take more text; return what may go out, and whether a stop string was reached."""
        text = self._held + text
        found = self._first(text)
        if found is not None:
            self._held = ""
            return text[:found], True
        keep = self._possible_beginning(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def flush(self) -> str:
        """Return what was held back, when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _first(self, text: str) -> int | None:
        places = [(text.find(stop), len(stop)) for stop in self._stops]
        ends = [(start + size, start) for start, size in places if start >= 0]
        return min(ends)[1] if ends else None

    def _possible_beginning(self, text: str) -> int:
        """Return the length of the longest end of the text that is the beginning of a stop."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0
