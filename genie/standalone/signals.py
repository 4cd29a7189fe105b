"""Turn the signals that end a terminal program into one orderly stop."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

# `make` passes SIGTERM on to us, so one sent to the whole process group arrives twice.
ECHO_S = 2.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked us to stop; passes through every handler of ordinary exceptions."""


@dataclass(slots=True, kw_only=True)
class Stop:
    """The first signal raises StopRequested in the main thread; a later one sets `hurry`."""

    hurry: threading.Event
    on_request: Callable[[], None] = lambda: None
    requested_at: float | None = None  # by the monotonic clock

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        del number, frame
        now = time.monotonic()
        if self.requested_at is not None:
            if now - self.requested_at >= ECHO_S:
                self.hurry.set()
            return
        self.requested_at = now
        self.on_request()
        raise StopRequested


@contextmanager
def stopping(hurry: threading.Event) -> Iterator[Stop]:
    """Install the handlers for as long as the block lasts, also where SIGINT came to us ignored.

    A shell starts background jobs with SIGINT ignored, and Python then leaves it so. SIGHUP stays
    ignored where it was: that is what nohup asks for.
    """
    stop = Stop(hurry=hurry)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if not (number == signal.SIGHUP and before[number] == signal.SIG_IGN):
            signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
