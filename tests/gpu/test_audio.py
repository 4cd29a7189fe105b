"""Sound on a CUDA device, with the shipped checkpoints. Skipped where there is none."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from inference.backends import sound_files
from inference.backends.speech import SpeechBackend
from inference.backends.tiny import tones
from inference.backends.transcription import TranscriptionBackend
from inference.errors import Cancelled
from inference.types import (
    MediaResult,
    SoundFormat,
    SpeechRequest,
    TranscriptionRequest,
    TranscriptionResult,
)
from tests.integration.inference import builders
from tests.unit.inference.listeners import CancellingListener, RecordingListener

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

NUMBER, WRITTEN = "0123", "0 1 2 3"


@pytest.fixture(params=["float32", "auto"])
def scribe(request: pytest.FixtureRequest) -> Iterator[TranscriptionBackend]:
    options = {"device": "cuda", "dtype": request.param}
    backend = TranscriptionBackend(builders.transcription_spec(options=options))
    backend.load()
    yield backend
    backend.close(timeout_s=30)


@pytest.fixture
def voice() -> Iterator[SpeechBackend]:
    backend = SpeechBackend(builders.speech_spec(options={"device": "cuda"}))
    backend.load()
    yield backend
    backend.close(timeout_s=30)


def recording(parts: int) -> TranscriptionRequest:
    """Return a request for the number, so many times, each followed by silence to 4 s."""
    one = np.zeros(4 * tones.RATE, dtype=np.float32)
    dialled = tones.dial(NUMBER)
    one[: len(dialled)] = dialled
    file = sound_files.write(
        np.tile(one, parts), rate=tones.RATE, as_format=SoundFormat.WAV, check=lambda: None
    )
    return TranscriptionRequest(
        request_id="t", model="m", audio=file.content, duration_ms=60_000, seed=1
    )


def spoken(backend: SpeechBackend) -> bytes:
    listener = RecordingListener()
    backend.submit(
        SpeechRequest(request_id="s", model="m", text="Call 0123. Now!", seed=1), listener
    )
    outcome = listener.wait()
    assert isinstance(outcome, MediaResult), outcome
    return outcome.files[0].content


def test_many_windows_are_heard_at_once(scribe: TranscriptionBackend) -> None:
    listener = RecordingListener()

    scribe.submit(recording(10), listener)

    outcome = listener.wait()
    assert isinstance(outcome, TranscriptionResult)
    assert outcome.text == " ".join([WRITTEN] * 10)
    assert outcome.usage.parts == 40_000


def test_a_transcription_can_be_cancelled(scribe: TranscriptionBackend) -> None:
    listener = CancellingListener()

    listener.bind(scribe.submit(recording(15), listener))

    assert isinstance(listener.wait(), Cancelled)
    assert listener.usages[0].parts < 60_000


def test_speech_is_repeatable(voice: SpeechBackend) -> None:
    assert spoken(voice) == spoken(voice)
