"""The line of a backend that runs one request at a time, on the echo of pictures and sound."""

import io
import wave
from collections.abc import Iterator
from typing import Any

import pytest

from inference.backends.echo_media import (
    EchoImageBackend,
    EchoSpeechBackend,
    EchoTranscriptionBackend,
    open_audio,
)
from inference.backends.serial import SerialBackend
from inference.errors import Cancelled, EngineClosed, InputRejected
from inference.specs import Price, Unit
from inference.types import (
    ImageFormat,
    ImageRequest,
    MediaResult,
    Modality,
    SoundFormat,
    SpeechRequest,
    TranscriptionRequest,
    TranscriptionResult,
)
from tests.unit.inference.listeners import RecordingListener
from tests.unit.inference.specs import echo_spec

IMAGE_PRICE = Price(version="test", rates={Unit.MEGAPIXEL_STEP: 1})
SPEECH_PRICE = Price(version="test", rates={Unit.THOUSAND_CHARACTERS: 1})
LISTENING_PRICE = Price(version="test", rates={Unit.MINUTE: 1})


def image(**changes: Any) -> ImageRequest:
    values: dict[str, Any] = {
        "request_id": "r", "model": "m", "prompt": "a lake", "width": 16, "height": 8, "steps": 4,
        "seed": 1,
    }  # fmt: skip
    return ImageRequest(**{**values, **changes})


def speech(**changes: Any) -> SpeechRequest:
    values: dict[str, Any] = {
        "request_id": "r", "model": "m", "text": "hello", "seed": 1, "format": SoundFormat.WAV,
    }  # fmt: skip
    return SpeechRequest(**{**values, **changes})


def start(backend: SerialBackend, request: Any) -> tuple[RecordingListener, Any]:
    listener = RecordingListener()
    return listener, backend.submit(request, listener)


def opened(backend: Any) -> Iterator[Any]:
    backend.load()
    yield backend
    backend.close(timeout_s=10)


@pytest.fixture
def painter() -> Iterator[EchoImageBackend]:
    yield from opened(EchoImageBackend(echo_spec(modality=Modality.IMAGE, price=IMAGE_PRICE)))


@pytest.fixture
def slow_painter() -> Iterator[EchoImageBackend]:
    spec = echo_spec(modality=Modality.IMAGE, price=IMAGE_PRICE, options={"step_seconds": 60.0})
    yield from opened(EchoImageBackend(spec))


@pytest.fixture
def speaker() -> Iterator[EchoSpeechBackend]:
    yield from opened(EchoSpeechBackend(echo_spec(modality=Modality.AUDIO, price=SPEECH_PRICE)))


@pytest.fixture
def writer() -> Iterator[EchoTranscriptionBackend]:
    spec = echo_spec(modality=Modality.AUDIO, price=LISTENING_PRICE)
    yield from opened(EchoTranscriptionBackend(spec))


class TestPictures:
    def test_each_has_the_asked_size_and_a_colour_of_its_own(
        self, painter: EchoImageBackend
    ) -> None:
        listener, _ = start(painter, image(count=2))

        outcome = listener.wait()

        assert isinstance(outcome, MediaResult)
        assert [(file.width, file.height) for file in outcome.files] == [(16, 8), (16, 8)]
        assert outcome.files[0].content != outcome.files[1].content
        assert outcome.files[0].content.startswith(b"\x89PNG")
        assert outcome.usage.parts == 2 * 4 * 16 * 8

    def test_the_second_of_two_is_the_first_of_the_next_seed(
        self, painter: EchoImageBackend
    ) -> None:
        two, _ = start(painter, image(count=2, seed=5))
        one, _ = start(painter, image(seed=6))

        first, second = two.wait(), one.wait()

        assert isinstance(first, MediaResult)
        assert isinstance(second, MediaResult)
        assert first.files[1].content == second.files[0].content

    def test_progress_grows_and_never_says_that_it_is_done(self, painter: EchoImageBackend) -> None:
        listener, _ = start(painter, image())

        listener.wait()

        assert listener.percents == [25, 50, 75, 99]

    def test_another_format_is_refused(self, painter: EchoImageBackend) -> None:
        listener, _ = start(painter, image(format=ImageFormat.WEBP))

        outcome = listener.wait()

        assert isinstance(outcome, InputRejected)
        assert outcome.field == "output_format"

    def test_another_kind_of_request_is_refused(self, painter: EchoImageBackend) -> None:
        listener, _ = start(painter, speech())

        assert isinstance(listener.wait(), InputRejected)


class TestLine:
    def test_who_waits_is_cancelled_at_once(self, slow_painter: EchoImageBackend) -> None:
        running, _ = start(slow_painter, image())
        waiting, handle = start(slow_painter, image())

        handle.cancel()

        assert isinstance(waiting.wait(), Cancelled)
        assert running.outcomes == []
        assert slow_painter.running() == 1

    def test_close_ends_what_runs_and_what_waits(self, slow_painter: EchoImageBackend) -> None:
        listeners = [start(slow_painter, image())[0] for _ in range(3)]

        slow_painter.close(timeout_s=10)

        assert {type(listener.wait()) for listener in listeners} == {EngineClosed}
        assert not slow_painter.is_healthy()
        assert slow_painter.running() == 0

    def test_after_close_nothing_is_taken(self, painter: EchoImageBackend) -> None:
        painter.close(timeout_s=10)

        listener, _ = start(painter, image())

        assert isinstance(listener.wait(), EngineClosed)

    def test_a_cancel_ends_what_runs_at_its_next_step(self, painter: EchoImageBackend) -> None:
        class CancelsAtOnce(RecordingListener):
            def on_progress(self, percent: int) -> None:
                super().on_progress(percent)
                handle.cancel()

        first = start(painter, image(count=1))[0]
        first.wait()
        listener = CancelsAtOnce()
        # The handle is bound before the thread can run: the line is held shut meanwhile.
        with painter._changed:
            handle = painter.submit(image(steps=1000), listener)

        assert isinstance(listener.wait(), Cancelled)
        assert len(listener.percents) == 1

    def test_a_listener_that_fails_ends_nothing(self, painter: EchoImageBackend) -> None:
        class Broken(RecordingListener):
            def on_progress(self, percent: int) -> None:
                raise RuntimeError("broken")

        broken = Broken()
        painter.submit(image(), broken)

        assert isinstance(broken.wait(), MediaResult)

    def test_the_work_done_is_told_with_a_cancel(self, painter: EchoImageBackend) -> None:
        class CancelsAtHalf(RecordingListener):
            def on_progress(self, percent: int) -> None:
                if percent >= 50:
                    handle.cancel()

        listener = CancelsAtHalf()
        with painter._changed:
            handle = painter.submit(image(), listener)

        listener.wait()

        assert listener.usages[0].parts == 2 * 16 * 8


class TestSound:
    def test_speech_is_wav_as_long_as_its_text(self, speaker: EchoSpeechBackend) -> None:
        listener, _ = start(speaker, speech(text="x" * 100))

        outcome = listener.wait()

        assert isinstance(outcome, MediaResult)
        with wave.open(io.BytesIO(outcome.files[0].content)) as recording:
            assert recording.getnframes() * 1000 // recording.getframerate() == 2000
        assert outcome.usage.parts == 100

    def test_a_recording_is_written_down(self, writer: EchoTranscriptionBackend) -> None:
        written = io.BytesIO()
        with wave.open(written, "wb") as recording:
            recording.setnchannels(1)
            recording.setsampwidth(2)
            recording.setframerate(8000)
            recording.writeframes(b"\0\0" * 4000)
        request = TranscriptionRequest(
            request_id="r", model="m", audio=written.getvalue(), duration_ms=60_000, seed=1
        )

        outcome = start(writer, request)[0].wait()

        assert isinstance(outcome, TranscriptionResult)
        assert outcome.text == "500 ms of sound"
        assert outcome.usage.parts == 500

    def test_what_is_no_recording_is_refused(self, writer: EchoTranscriptionBackend) -> None:
        request = TranscriptionRequest(
            request_id="r", model="m", audio=b"nonsense", duration_ms=1000, seed=1
        )

        assert isinstance(start(writer, request)[0].wait(), InputRejected)

    def test_the_price_tells_what_an_audio_model_does(self) -> None:
        speaks = open_audio(echo_spec(modality=Modality.AUDIO, price=SPEECH_PRICE))
        listens = open_audio(echo_spec(modality=Modality.AUDIO, price=LISTENING_PRICE))

        assert isinstance(speaks, EchoSpeechBackend)
        assert isinstance(listens, EchoTranscriptionBackend)
