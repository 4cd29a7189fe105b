"""What the shipped models answer with fixed seeds, as it was written down when it was last looked at.

A change of a library, a checkpoint or the code shows here by what it changes. Where that is wanted,
``GENIE_GOLDEN=write`` writes golden.json again; look at the difference before committing it. Texts are
exact. Numbers may differ a little: processors add in different orders.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import recordings, registry
from inference.backends.tiny import build
from inference.engine import Engine
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    EmbeddingRequest,
    EmbeddingResult,
    ImageRequest,
    MediaResult,
    Request,
    Result,
    SamplingParams,
    SoundFormat,
    SpeechRequest,
    TranscriptionRequest,
    TranscriptionResult,
    VideoRequest,
)
from tests.integration.inference import media
from tests.unit.inference.listeners import RecordingListener

GOLDEN = Path(__file__).with_name("golden.json")
CELLS = 4  # pictures are compared by the mean colours of so many fields a side
OF_COLOURS = 6.0  # of 255: what codecs and processors may differ by
OF_NUMBERS = 2e-3

USER = {"role": "user", "content": "What is 17 plus 25?"}
SEEDED = SamplingParams(max_tokens=24, min_tokens=24, temperature=2.0, seed=11)
GREEDY = SamplingParams(max_tokens=24, temperature=0.0, seed=1)


def _of(model: str, **fields: Any) -> dict[str, Any]:
    return {"request_id": f"golden-{model}", "model": model, **fields}


REQUESTS: dict[str, Request] = {
    "chat, greedy": ChatRequest(
        **_of("genie-tiny-chat", messages=(USER,), sampling=GREEDY),
    ),
    "chat, sampled": ChatRequest(
        **_of("genie-tiny-chat", messages=(USER,), sampling=SEEDED),
    ),
    "completion": CompletionRequest(
        **_of("genie-tiny-chat", prompts=("Once upon a time",), sampling=SEEDED),
    ),
    "embedding": EmbeddingRequest(
        **_of("genie-tiny-embedding", inputs=("The cat sits on the mat.",)),
    ),
    "image, flux": ImageRequest(
        **_of("flux-schnell", prompt="a lighthouse", width=64, height=64, steps=2, seed=5),
    ),
    "image, sdxl": ImageRequest(
        **_of("sdxl-turbo", prompt="a lighthouse", width=64, height=64, steps=1, seed=5),
    ),
    "video, wan": VideoRequest(
        **_of("wan-2.1", prompt="waves", width=64, height=64, duration_ms=1000, seed=5),
    ),
    "video, ltx": VideoRequest(
        **_of("ltx-video", prompt="waves", width=64, height=64, duration_ms=1000, seed=5),
    ),
    "speech": SpeechRequest(
        **_of("genie-tiny-speech", text="Call 555 0123.", seed=5, format=SoundFormat.WAV),
    ),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    opened = Engine(registry.load_registry(build.CHECKPOINTS.parent / "models.toml"))
    yield opened
    opened.drain()
    opened.close(timeout_s=20)


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, Any]]:
    """Give what was written down; what the tests put there is kept where it is to be written."""
    known: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    yield known
    if _is_written():
        lines = (f"{json.dumps(name)}: {json.dumps(known[name])}" for name in sorted(known))
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@pytest.mark.parametrize("name", REQUESTS)
def test_answers_as_before(name: str, engine: Engine, golden: dict[str, Any]) -> None:
    _compare(name, _summary(_run(engine, REQUESTS[name])), golden)


def test_writes_down_what_was_spoken_as_before(engine: Engine, golden: dict[str, Any]) -> None:
    spoken = _run(engine, REQUESTS["speech"])
    assert isinstance(spoken, MediaResult)
    request = TranscriptionRequest(
        **_of(
            "genie-tiny-transcription",
            audio=spoken.files[0].content,
            duration_ms=30_000,
            with_words=True,
            seed=5,
        )
    )

    _compare("transcription", _summary(_run(engine, request)), golden)


def _is_written() -> bool:
    return os.environ.get("GENIE_GOLDEN") == "write"


def _run(engine: Engine, request: Request) -> Result:
    listener = RecordingListener()
    engine.submit(request, listener)
    outcome = listener.wait(120)
    assert not isinstance(outcome, Exception), outcome
    return outcome


def _compare(name: str, found: Mapping[str, Any], golden: dict[str, Any]) -> None:
    if _is_written():
        golden[name] = found
    wanted = golden[name]
    assert found.keys() == wanted.keys()
    for key, value in found.items():
        if key == "numbers":
            np.testing.assert_allclose(value, wanted[key], atol=OF_NUMBERS, err_msg=name)
        elif key == "colours":
            np.testing.assert_allclose(value, wanted[key], atol=OF_COLOURS, err_msg=name)
        else:
            assert value == wanted[key], f"{name}: {key}"


def _summary(result: Result) -> dict[str, Any]:
    """Return what can be written down of a result."""
    match result:
        case ChatResult():
            usage = [result.usage.prompt_tokens, result.usage.completion_tokens]
            return {"text": result.text, "ended": str(result.finish_reason), "tokens": usage}
        case EmbeddingResult(vectors=(vector,)):
            return {"width": len(vector), "numbers": [round(one, 5) for one in vector[:24]]}
        case TranscriptionResult():
            spans = [[one.start_ms, one.end_ms, one.text] for one in result.words]
            return {"text": result.text, "language": result.language, "words": spans}
        case MediaResult(files=(file,)):
            shape = {"type": file.media_type, "ms": file.duration_ms}
            if file.media_type.startswith("audio/"):
                return shape | {"numbers": _loudness(file.content)}
            seen = media.pixels(file)[None] if file.duration_ms is None else media.frames(file)
            return shape | {"frames": len(seen), "colours": _colours(seen)}
    raise AssertionError(f"nothing is known of {type(result).__name__}")


def _colours(frames: media.Pixels) -> list[float]:
    """Return the mean colours of the fields of a picture, or of a video's first and last frame."""
    ends = frames[:: max(len(frames) - 1, 1)].astype(float)
    size = ends.shape[1] // CELLS
    fields = ends[:, : size * CELLS, : size * CELLS].reshape(-1, CELLS, size, CELLS, size, 3)
    means = fields.mean(axis=(2, 4))
    return [round(float(one), 1) for one in means.ravel()]


def _loudness(content: bytes) -> list[float]:
    """Return the root mean square of each 20th of a recording."""
    pieces = recordings.sound(content, rate=16_000, most_ms=60_000, check=lambda: None)
    heard = np.frombuffer(b"".join(pieces), dtype=np.float32)
    parts = np.array_split(heard, 20)
    return [round(float(np.sqrt((part**2).mean())), 4) for part in parts]
