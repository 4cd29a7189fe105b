"""How a request's body is taken: whole, within its route's limit, and before its sender's time is up."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO, TypeAlias

from genie.core import errors
from genie.core.lean.messages import Receive

BODY_S = 60.0  # in which a body must have come whole, and longer by what a long one takes at this:
_LEAST_BYTES_PER_S = 1 << 20
_DRAINED = (
    16  # a body of up to so many times the limit is read to its end, so that its sender hears why
)
_PIECE = 1 << 20  # bytes that are written to a file at once, by a thread that may block


class Gone(Exception):
    """The sender has gone before all of it had come."""


class _InMemory:
    """Collects a body in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    async def add(self, part: bytes) -> None:
        """Take the next part."""
        self._parts.append(part)

    def whole(self) -> bytes:
        """Return all of it."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def drop(self) -> None:
        """Forget what has come."""
        self._parts.clear()


class _Spooled:
    """Collects a body in a file, which is in memory until it is long."""

    def __init__(self, file: "tempfile.SpooledTemporaryFile[bytes]") -> None:
        self._file = file
        self._parts: list[bytes] = []
        self._size = 0

    async def add(self, part: bytes) -> None:
        """Take the next part; waits for the disk now and then."""
        self._parts.append(part)
        self._size += len(part)
        if self._size >= _PIECE:
            piece, self._parts, self._size = b"".join(self._parts), [], 0
            await asyncio.to_thread(self._file.write, piece)

    def whole(self) -> IO[bytes]:
        """Return all of it, to be read from its beginning."""
        self._file.write(b"".join(self._parts))
        self._file.seek(0)
        return self._file

    def drop(self) -> None:
        """Forget what has come."""
        self._parts, self._size = [], 0
        self._file.seek(0)
        self._file.truncate()


Collector: TypeAlias = _InMemory | _Spooled


@contextlib.contextmanager
def collector(*, spools: bool) -> Iterator[Collector]:
    """Yield what collects one body, in memory or in a file; a file goes at the end."""
    if not spools:
        yield _InMemory()
        return
    with tempfile.SpooledTemporaryFile(2 * _PIECE) as file:
        yield _Spooled(file)


async def take_body(
    receive: Receive, limit: int, declared: int, *, into: Collector
) -> errors.GenieError | None:
    """Collect the body; return why there is none. Raises ``Gone`` with its sender."""
    if declared > _DRAINED * limit:
        return _too_large(limit, unread=True)
    patience_s = BODY_S + min(declared, limit) / _LEAST_BYTES_PER_S
    try:
        async with asyncio.timeout(patience_s):
            fits = await _read_body(receive, limit, into=into)
    except TimeoutError:
        into.drop()
        return _too_slow(patience_s)
    if fits:
        return None
    into.drop()
    return _too_large(limit)


async def _read_body(receive: Receive, limit: int, *, into: Collector) -> bool:
    """Collect the body up to the limit; tell whether that was all of it."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            return False
        await into.add(part)
        if not message.get("more_body"):
            return True


def _too_large(limit: int, *, unread: bool = False) -> errors.GenieError:
    error = errors.PayloadTooLarge(f"The body is larger than the {limit} bytes of this route.")
    if unread:
        error.headers["Connection"] = "close"  # what follows would be taken for a request
    return error


def _too_slow(patience_s: float) -> errors.GenieError:
    error = errors.InvalidRequest(f"The body did not come whole within {patience_s:g} s.")
    error.headers["Connection"] = "close"
    return error
