"""The transcription backend on the shipped checkpoint, which writes telephone tones down."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from inference.backends import fallback, sound_files
from inference.backends.listening import Heard, Manner, Scribe, Written
from inference.backends.speech import SpeechBackend
from inference.backends.tiny import build, tones
from inference.backends.transcription import TranscriptionBackend
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
    MediaResult,
    SoundFormat,
    SpeechRequest,
    TranscriptionRequest,
    TranscriptionResult,
    Usage,
)
from tests.integration.inference import builders
from tests.unit.inference import sounds
from tests.unit.inference.listeners import CancellingListener, RecordingListener

NUMBER = "5550123#"
WRITTEN = "5 5 5 0 1 2 3 #"
SHORT, SHORT_WRITTEN = "0123", "0 1 2 3"
PRESS_MS, PAUSE_MS = 150, 100
STARTS_MS = [PAUSE_MS + number * (PRESS_MS + PAUSE_MS) for number in range(len(NUMBER))]
ENDS_MS = [start + PRESS_MS for start in STARTS_MS]


def recorded(keys: str = NUMBER, *, as_format: SoundFormat = SoundFormat.WAV) -> bytes:
    """Return a clean recording of keys."""
    samples = tones.dial(keys, press_s=PRESS_MS / 1000, pause_s=PAUSE_MS / 1000)
    return _file(samples, as_format=as_format)


def long_recording(parts: int) -> bytes:
    """Return the short number, so many times, each followed by silence to 4 s."""
    one = np.zeros(4 * tones.RATE, dtype=np.float32)
    dialled = tones.dial(SHORT, press_s=PRESS_MS / 1000, pause_s=PAUSE_MS / 1000)
    one[: len(dialled)] = dialled
    return _file(np.tile(one, parts))


def request(audio: bytes | None = None, **changes: Any) -> TranscriptionRequest:
    values = {"request_id": "r", "model": "m", "duration_ms": 60_000, "seed": 1, **changes}
    return TranscriptionRequest(audio=recorded() if audio is None else audio, **values)


def start(
    backend: TranscriptionBackend, audio: bytes | None = None, **changes: Any
) -> RecordingListener:
    listener = RecordingListener()
    backend.submit(request(audio, **changes), listener)
    return listener


def written(
    backend: TranscriptionBackend, audio: bytes | None = None, **changes: Any
) -> TranscriptionResult:
    outcome = start(backend, audio, **changes).wait()
    assert isinstance(outcome, TranscriptionResult), outcome
    return outcome


def refused(
    backend: TranscriptionBackend, audio: bytes | None = None, **changes: Any
) -> InferenceError:
    outcome = start(backend, audio, **changes).wait()
    assert isinstance(outcome, InferenceError), outcome
    return outcome


@pytest.fixture
def by_twos() -> Iterator[TranscriptionBackend]:
    backend = TranscriptionBackend(
        builders.transcription_spec(options={"device": "cpu", "max_batch_windows": 2})
    )
    backend.load()
    yield backend
    backend.close(timeout_s=10)


class TestText:
    @pytest.mark.parametrize(
        "as_format", [fmt for fmt in SoundFormat if fmt is not SoundFormat.PCM]
    )
    def test_is_what_was_dialled(
        self, transcription_backend: TranscriptionBackend, as_format: SoundFormat
    ) -> None:
        result = written(transcription_backend, recorded(as_format=as_format))

        assert result.text == WRITTEN
        assert result.language == "en"

    def test_is_what_the_speech_model_said(
        self, transcription_backend: TranscriptionBackend, speech_backend: SpeechBackend
    ) -> None:
        listener = RecordingListener()
        speech = SpeechRequest(request_id="s", model="s", text="0123", seed=1)
        speech_backend.submit(speech, listener)
        spoken = listener.wait()
        assert isinstance(spoken, MediaResult)

        result = written(transcription_backend, spoken.files[0].content)

        assert result.text == "0 1 2 3"

    def test_is_empty_for_silence(self, transcription_backend: TranscriptionBackend) -> None:
        result = written(transcription_backend, _file(np.zeros(8_000, dtype=np.float32)))

        assert (result.text, result.segments) == ("", ())
        assert result.usage == Usage(parts=500)

    def test_is_the_same_with_a_prompt_and_a_language(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        # The text of a control token in a prompt is text: as a token it would name a language.
        result = written(transcription_backend, prompt="<|en|> 5", language="de")

        assert result.text == WRITTEN
        assert result.language == "de"

    def test_at_a_temperature_depends_on_the_seed_alone(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        first, again, other = (
            written(transcription_backend, temperature=5.0, seed=seed).text for seed in (3, 3, 4)
        )

        assert first == again
        assert first != other


class TestFallback:
    """What is taken greedily and comes out poorly is tried at temperatures, as the caller allows."""

    @pytest.fixture
    def temperatures(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Those of each time that the model was asked."""
        asked: list[float] = []
        write = Scribe.write

        def noting(scribe: Scribe, heard: Heard, *, manner: Manner, **more: Any) -> list[Written]:
            asked.append(manner.temperature)
            return write(scribe, heard, manner=manner, **more)

        monkeypatch.setattr(Scribe, "write", noting)
        return asked

    def test_what_comes_out_well_is_asked_for_once(
        self, transcription_backend: TranscriptionBackend, temperatures: list[float]
    ) -> None:
        written(transcription_backend)

        assert temperatures == [0]

    def test_what_comes_out_poorly_is_tried_again_and_the_best_is_kept(
        self,
        transcription_backend: TranscriptionBackend,
        temperatures: list[float],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(fallback, "LEAST_LIKELY", 1.0)  # nothing is good enough

        result = written(transcription_backend)

        assert temperatures == [0, *fallback.TEMPERATURES]
        assert result.text == WRITTEN

    def test_a_temperature_that_was_asked_for_is_the_only_one(
        self,
        transcription_backend: TranscriptionBackend,
        temperatures: list[float],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(fallback, "LEAST_LIKELY", 1.0)

        written(transcription_backend, temperature=0.5)

        assert temperatures == [0.5]


class TestDecoding:
    """What a segment says of the window that it was heard in."""

    def test_is_that_of_the_attempt_which_was_kept(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        result = written(transcription_backend, long_recording(3))

        first, last = result.segments[0], result.segments[-1]
        tokens = [token for segment in result.segments for token in segment.tokens]
        scribe = transcription_backend._open_scribe()
        assert scribe.text_of(tokens).split() == (SHORT_WRITTEN.split() * 3)
        assert first.decoding.seek == 0
        assert 0 < last.decoding.seek <= last.start_ms / 10
        assert first.decoding.temperature == 0
        assert -1 < first.decoding.logprob < 0  # it is sure of what it wrote
        said = " ".join(one.text for one in result.segments if one.decoding == first.decoding)
        quality = fallback.quality_of(said, logprob=first.decoding.logprob)
        assert first.decoding.repetition == quality.repetition
        assert 0 <= first.decoding.silence < 0.5

    def test_tells_the_temperature_that_was_asked_for(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        result = written(transcription_backend, temperature=0.5)

        assert {segment.decoding.temperature for segment in result.segments} == {0.5}

    def test_of_silence_is_the_models_own_word_whatever_the_prompt(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        scribe = transcription_backend._open_scribe()
        heard = scribe.hear([tones.dial(SHORT, press_s=0.15, pause_s=0.1)])
        model, start = scribe._model, scribe._model.config.decoder_start_token_id
        with torch.inference_mode():
            ids = torch.tensor([[start]])
            scores = model(encoder_outputs=heard.encoded, decoder_input_ids=ids).logits
        silence = scribe._tokenizer.token_to_id("<|nospeech|>")

        manner = Manner(language="en", prompt="", temperature=0, with_words=False)
        (told,) = scribe.write(heard, manner=manner, seeds=[1], check=lambda: None)

        assert told.silence == pytest.approx(float(scores[0, 0].softmax(-1)[silence]), rel=1e-3)
        prompted = dataclasses.replace(manner, prompt="5 5 5")
        (other,) = scribe.write(heard, manner=prompted, seeds=[1], check=lambda: None)
        assert 0 <= other.silence <= 1


class TestTimes:
    def test_of_segments_are_those_of_the_tones(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        segments = written(transcription_backend).segments

        assert [segment.text for segment in segments] == list(NUMBER)
        assert [segment.start_ms for segment in segments] == pytest.approx(STARTS_MS, abs=60)
        assert [segment.end_ms for segment in segments] == pytest.approx(ENDS_MS, abs=60)

    def test_of_words_lie_near_the_tones(self, transcription_backend: TranscriptionBackend) -> None:
        result = written(transcription_backend, with_words=True)

        assert result.text == WRITTEN
        assert [word.text for word in result.words] == list(NUMBER)
        assert [word.end_ms for word in result.words] == pytest.approx(ENDS_MS, abs=250)

    def test_asking_for_words_changes_nothing_afterwards(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        before = written(transcription_backend)
        written(transcription_backend, with_words=True)

        assert written(transcription_backend) == before

    def test_go_on_from_window_to_window(self, transcription_backend: TranscriptionBackend) -> None:
        result = written(transcription_backend, long_recording(3))

        assert result.text == " ".join([SHORT_WRITTEN] * 3)
        assert result.duration_ms == 12_000
        starts = [segment.start_ms for segment in result.segments]
        assert starts == sorted(starts)
        assert starts[4] == pytest.approx(4_000 + PAUSE_MS, abs=60)
        assert starts[8] == pytest.approx(8_000 + PAUSE_MS, abs=60)


class TestBounds:
    def test_what_is_behind_the_duration_is_not_heard(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        result = written(transcription_backend, long_recording(2), duration_ms=4_000)

        assert result.text == SHORT_WRITTEN
        assert result.duration_ms == 4_000
        assert result.usage == Usage(parts=4_000)

    def test_what_is_behind_the_models_limit_is_not_heard_either(self) -> None:
        spec = builders.transcription_spec(media=MediaSpec(max_seconds=1))
        backend = TranscriptionBackend(spec)
        backend.load()

        result = written(backend)

        backend.close(timeout_s=10)
        assert result.duration_ms == 1_000


class TestProgress:
    def test_follows_the_windows(self, transcription_backend: TranscriptionBackend) -> None:
        listener = start(transcription_backend, long_recording(3))

        outcome = listener.wait()

        assert isinstance(outcome, TranscriptionResult)
        assert len(listener.percents) == 3
        assert listener.percents == sorted(listener.percents)
        assert listener.percents[-1] == 99
        assert listener.usages == [Usage(parts=12_000)]

    def test_cancel_ends_it_and_counts_what_was_heard(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        listener = CancellingListener()

        listener.bind(transcription_backend.submit(request(long_recording(3)), listener))

        assert isinstance(listener.wait(), Cancelled)
        assert 4_000 <= listener.usages[0].parts < 5_000

    def test_cancel_ends_it_within_one_step_of_decoding(
        self, transcription_backend: TranscriptionBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = itertools.count(1)
        handles: list[Any] = []
        listener = RecordingListener()
        forward = transformers.WhisperForConditionalGeneration.forward

        @functools.wraps(forward)  # whose signature says what a model takes
        def cancelling(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == 4:  # the language, then the third token
                handles[0].cancel()
            return forward(*args, **kwargs)

        monkeypatch.setattr(transformers.WhisperForConditionalGeneration, "forward", cancelling)
        with transcription_backend._changed:  # it does not begin before there is a handle
            handles.append(transcription_backend.submit(request(), listener))

        assert isinstance(listener.wait(), Cancelled)
        assert next(steps) == 5


class TestBatches:
    def test_of_windows_say_the_same(
        self, by_twos: TranscriptionBackend, transcription_backend: TranscriptionBackend
    ) -> None:
        audio = long_recording(3)

        assert written(by_twos, audio).text == written(transcription_backend, audio).text
        assert (
            written(by_twos, audio, temperature=1.0).text
            == written(transcription_backend, audio, temperature=1.0).text
        )

    def test_are_halved_where_memory_runs_out(
        self, by_twos: TranscriptionBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hear = Scribe.hear

        def hear_one(scribe: Scribe, windows: Any) -> Any:
            if len(windows) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return hear(scribe, windows)

        monkeypatch.setattr(Scribe, "hear", hear_one)

        assert written(by_twos, long_recording(3)).text == " ".join([SHORT_WRITTEN] * 3)


class TestRefusals:
    def test_of_a_file_without_sound(self, transcription_backend: TranscriptionBackend) -> None:
        error = refused(transcription_backend, sounds.silent_video())

        assert isinstance(error, InputRejected)
        assert error.field == "file"

    def test_of_languages_that_it_does_not_know(
        self, transcription_backend: TranscriptionBackend
    ) -> None:
        error = refused(transcription_backend, language="xx")

        assert isinstance(error, InputRejected)
        assert error.field == "language"

    def test_of_other_requests(self, transcription_backend: TranscriptionBackend) -> None:
        listener = RecordingListener()

        transcription_backend.submit(
            SpeechRequest(request_id="r", model="m", text="hello", seed=1), listener
        )

        assert isinstance(listener.wait(), InputRejected)

    def test_of_word_times_where_no_head_follows_the_sound(self, tmp_path: Path) -> None:
        backend = TranscriptionBackend(builders.transcription_spec(_without_heads(tmp_path)))
        backend.load()

        error = refused(backend, with_words=True)

        backend.close(timeout_s=10)
        assert "word-timestamps" not in backend.capabilities
        assert isinstance(error, InputRejected)
        assert error.field == "timestamp_granularities"


class TestFailures:
    def test_a_lack_of_memory_is_told_as_such(
        self, transcription_backend: TranscriptionBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(transformers.WhisperForConditionalGeneration, "forward", fail)

        assert isinstance(refused(transcription_backend), OutOfMemory)

    def test_any_other_failure_tells_nothing_of_it(
        self, transcription_backend: TranscriptionBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a secret")

        monkeypatch.setattr(transformers.WhisperForConditionalGeneration, "forward", fail)

        error = refused(transcription_backend)

        assert isinstance(error, GenerationFailed)
        assert "secret" not in error.message

    def test_a_missing_checkpoint_fails_the_load(self, tmp_path: Path) -> None:
        backend = TranscriptionBackend(builders.transcription_spec(tmp_path))

        with pytest.raises(ModelLoadFailed, match="not on this worker"):
            backend.load()


def _file(samples: sound_files.Samples, *, as_format: SoundFormat = SoundFormat.WAV) -> bytes:
    return sound_files.write(
        samples, rate=tones.RATE, as_format=as_format, check=lambda: None
    ).content


def _without_heads(directory: Path) -> Path:
    """Return a copy of the shipped checkpoint that does not name its alignment heads."""
    shipped = build.CHECKPOINTS / build.TRANSCRIPTION
    for file in shipped.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    settings = transformers.GenerationConfig.from_pretrained(directory)
    del settings.alignment_heads
    settings.save_pretrained(directory)
    return directory
