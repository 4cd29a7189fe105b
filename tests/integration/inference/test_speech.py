"""The speech backend on the shipped checkpoint, which dials a text in telephone tones."""

from pathlib import Path
from typing import Any

import av.error
import numpy as np
import pytest
import torch
import transformers

from inference import recordings
from inference.backends.speech import SpeechBackend
from inference.backends.tiny import speech_evaluation
from inference.errors import (
    Cancelled,
    GenerationFailed,
    InferenceError,
    InputRejected,
    ModelLoadFailed,
    OutOfMemory,
)
from inference.specs import MediaSpec
from inference.types import (
    MediaFile,
    MediaResult,
    SoundFormat,
    SpeechRequest,
    TranscriptionRequest,
    Usage,
)
from tests.integration.inference import builders
from tests.unit.inference.listeners import CancellingListener, RecordingListener

TEXT = "Call 555 0123. Ask for Ann!"
DIALLED = "2255" + "5550123" + "275" + "367" + "266"  # each letter is its key of a telephone


def start(backend: SpeechBackend, text: str = TEXT, **changes: Any) -> RecordingListener:
    listener = RecordingListener()
    values = {"request_id": "r", "model": "m", "seed": 1, "format": SoundFormat.WAV, **changes}
    backend.submit(SpeechRequest(text=text, **values), listener)
    return listener


def spoken(backend: SpeechBackend, text: str = TEXT, **changes: Any) -> MediaFile:
    outcome = start(backend, text, **changes).wait()
    assert isinstance(outcome, MediaResult), outcome
    return outcome.files[0]


def refused(backend: SpeechBackend, text: str = TEXT, **changes: Any) -> InferenceError:
    outcome = start(backend, text, **changes).wait()
    assert isinstance(outcome, InferenceError), outcome
    return outcome


def samples(file: MediaFile) -> "np.typing.NDArray[np.float32]":
    pieces = recordings.sound(file.content, rate=16_000, most_ms=60_000, check=lambda: None)
    return np.frombuffer(b"".join(pieces), dtype=np.float32)


class TestSpeech:
    def test_says_the_text(self, speech_backend: SpeechBackend) -> None:
        assert speech_evaluation.listen(samples(spoken(speech_backend))) == DIALLED

    def test_is_the_same_for_the_same_seed_only(self, speech_backend: SpeechBackend) -> None:
        torch.manual_seed(5)  # what else the process draws is nothing to it
        first = spoken(speech_backend, seed=7)
        torch.rand(3)
        second = spoken(speech_backend, seed=7)
        other = spoken(speech_backend, seed=8)

        assert first.content == second.content
        assert first.content != other.content

    def test_leaves_the_random_numbers_of_others_alone(self, speech_backend: SpeechBackend) -> None:
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)

        spoken(speech_backend)

        assert torch.rand(1) == expected

    def test_differs_by_voice(self, speech_backend: SpeechBackend) -> None:
        usual, first, last = (spoken(speech_backend, voice=v) for v in (None, "alloy", "verse"))

        assert usual.content == first.content
        assert np.abs(samples(last)).max() > np.abs(samples(first)).max() * 1.2  # a louder voice

    def test_is_shorter_at_a_higher_speed(self, speech_backend: SpeechBackend) -> None:
        usual, fast = spoken(speech_backend), spoken(speech_backend, speed=2.0)

        assert usual.duration_ms is not None
        assert fast.duration_ms is not None
        assert (
            fast.duration_ms < usual.duration_ms * 0.65
        )  # lengths are rounded up, letter by letter


class TestFormats:
    @pytest.mark.parametrize(
        ("wanted", "media_type", "found"),
        [
            (SoundFormat.WAV, "audio/wav", "wav"),
            (SoundFormat.MP3, "audio/mpeg", "mp3"),
            (SoundFormat.OPUS, "audio/ogg", "ogg"),
            (SoundFormat.AAC, "audio/aac", "aac"),
            (SoundFormat.FLAC, "audio/flac", "flac"),
        ],
    )
    def test_can_be_read_again(
        self, speech_backend: SpeechBackend, wanted: SoundFormat, media_type: str, found: str
    ) -> None:
        file = spoken(speech_backend, format=wanted)

        recording = recordings.probe(file.content)
        assert file.media_type == media_type
        assert recording.format == found
        assert file.duration_ms is not None
        assert len(samples(file)) / 16 == pytest.approx(file.duration_ms, abs=150)
        assert spoken(speech_backend, format=wanted).content == file.content

    def test_pcm_is_16_bits_at_24_khz(self, speech_backend: SpeechBackend) -> None:
        file = spoken(speech_backend, format=SoundFormat.PCM)

        assert file.media_type == "audio/pcm"
        assert file.duration_ms == pytest.approx(len(file.content) / 2 / 24, abs=2)
        assert np.abs(np.frombuffer(file.content, dtype="<i2")).max() > 5_000


class TestProgress:
    def test_follows_the_characters(self, speech_backend: SpeechBackend) -> None:
        listener = start(speech_backend, "One. Two. Three. Four.")

        listener.wait()

        assert listener.percents == [22, 45, 77, 99]
        assert listener.usages == [Usage(parts=22)]

    def test_cancel_ends_it_after_the_sentence(self, speech_backend: SpeechBackend) -> None:
        listener = CancellingListener()
        request = SpeechRequest(
            request_id="r", model="m", text="One. Two. Three.", seed=1, format=SoundFormat.WAV
        )

        listener.bind(speech_backend.submit(request, listener))

        assert isinstance(listener.wait(), Cancelled)
        assert listener.usages == [Usage(parts=5)]


class TestRefusals:
    @pytest.mark.parametrize("text", ["...", " \n", "🎉 €", ""])
    def test_of_texts_with_nothing_to_speak(self, speech_backend: SpeechBackend, text: str) -> None:
        error = refused(speech_backend, text)

        assert isinstance(error, InputRejected)
        assert error.field == "input"

    def test_of_texts_that_are_too_long(self, speech_backend: SpeechBackend) -> None:
        error = refused(speech_backend, "a" * 501)

        assert isinstance(error, InputRejected)
        assert error.message == "input has 501 characters; model tiny-speech speaks 500."

    def test_of_voices_that_it_does_not_have(self, speech_backend: SpeechBackend) -> None:
        error = refused(speech_backend, voice="nobody")

        assert isinstance(error, InputRejected)
        assert error.field == "voice"
        assert "alloy, ash, verse" in error.message

    def test_of_other_requests(self, speech_backend: SpeechBackend) -> None:
        listener = RecordingListener()
        request = TranscriptionRequest(request_id="r", model="m", audio=b"", duration_ms=1, seed=1)

        speech_backend.submit(request, listener)

        assert isinstance(listener.wait(), InputRejected)


class TestFailures:
    def test_a_lack_of_memory_is_told_as_such(
        self, speech_backend: SpeechBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(transformers.VitsModel, "forward", fail)

        assert isinstance(refused(speech_backend), OutOfMemory)

    def test_any_other_failure_tells_nothing_of_it(
        self, speech_backend: SpeechBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise av.error.InvalidDataError(1, "a secret")

        monkeypatch.setattr("inference.backends.sound_files.write", fail)

        error = refused(speech_backend)

        assert isinstance(error, GenerationFailed)
        assert "secret" not in error.message

    def test_more_voices_than_speakers_fail_the_load(self) -> None:
        voices = tuple(f"v{number}" for number in range(12))
        backend = SpeechBackend(builders.speech_spec(media=MediaSpec(voices=voices)))

        with pytest.raises(ModelLoadFailed, match=r"12 voices.*11"):
            backend.load()

    def test_a_missing_checkpoint_fails_the_load(self, tmp_path: Path) -> None:
        backend = SpeechBackend(builders.speech_spec(tmp_path))

        with pytest.raises(ModelLoadFailed, match="not on this worker"):
            backend.load()
