"""Puts the data of server-sent events together, however the bytes of the stream are cut."""

import re

MAX_EVENT_BYTES = 1024 * 1024  # of one line, and of the data of one event

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLong(Exception):
    """A line, or the data of an event, is longer than any honest one."""


class EventReader:
    """Takes a stream in pieces of any size and gives back the data of each complete event.

    Follows the standard in what it skips: comments, fields other than ``data``, events without data,
    and an event that the stream ends in.
    """

    def __init__(self, *, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0  # of the buffer, in which no line ends: pieces may be single bytes
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[str]:
        """Take more bytes; return the data of the events that they complete.

        Raises:
            EventTooLong: An event has more than ``max_bytes``.
        """
        self._buffer += piece
        events = []
        while (line := self._next_line()) is not None:
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data).decode(errors="replace"))
                self._data, self._size = [], 0
        if len(self._buffer) > self._max_bytes:
            raise EventTooLong
        return events

    def _next_line(self) -> bytes | None:
        found = _LINE_END.search(self._buffer, self._searched)
        # A carriage return at the very end may be the first half of a line end.
        if found is None or (found.group() == b"\r" and found.end() == len(self._buffer)):
            self._searched = len(self._buffer) if found is None else found.start()
            return None
        line = bytes(self._buffer[: found.start()])
        del self._buffer[: found.end()]
        self._searched = 0
        return line

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name != b"data":
            return
        self._size += len(value)
        if self._size > self._max_bytes:
            raise EventTooLong
        self._data.append(value.removeprefix(b" "))
