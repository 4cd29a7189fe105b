"""The first signal asks to stop, its echo is ignored, and a later one asks to hurry."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from genie.standalone import signals


@pytest.fixture
def hurry() -> threading.Event:
    return threading.Event()


@pytest.fixture(autouse=True)
def hangups_are_heard() -> Iterator[None]:
    """Undo what ``nohup`` leaves to its children: a hang-up that came ignored stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_asks_to_stop(self, hurry: threading.Event, number: signal.Signals) -> None:
        with pytest.raises(signals.StopRequested), signals.stopping(hurry):
            os.kill(os.getpid(), number)

        assert not hurry.is_set()

    def test_sigint_counts_where_it_came_ignored(self, hurry: threading.Event) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with pytest.raises(signals.StopRequested), signals.stopping(hurry):
                os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)

    def test_sighup_stays_ignored_under_nohup(self, hurry: threading.Event) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with signals.stopping(hurry) as stop:
                os.kill(os.getpid(), signal.SIGHUP)
            assert stop.requested_at is None
        finally:
            signal.signal(signal.SIGHUP, before)


class TestHurry:
    def test_the_echo_of_a_signal_is_no_hurry(self, hurry: threading.Event) -> None:
        stop = signals.Stop(hurry=hurry)
        with pytest.raises(signals.StopRequested):
            stop(signal.SIGTERM, None)

        stop(signal.SIGTERM, None)

        assert not hurry.is_set()

    def test_a_second_signal_later_is(
        self, hurry: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop = signals.Stop(hurry=hurry)
        with pytest.raises(signals.StopRequested):
            stop(signal.SIGTERM, None)
        monkeypatch.setattr(signals, "ECHO_S", 0.0)

        stop(signal.SIGTERM, None)

        assert hurry.is_set()
