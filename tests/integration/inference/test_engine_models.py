"""The engine with real backends: a chat and an embedding model, in one process."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.engine import Engine
from inference.errors import EngineClosed, ModelLoadFailed
from inference.registry import Registry
from inference.types import (
    ChatRequest,
    ChatResult,
    EmbeddingRequest,
    EmbeddingResult,
    SamplingParams,
)
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener


@pytest.fixture
def engine(chat_checkpoint: Path, embedding_checkpoint: Path, tmp_path: Path) -> Iterator[Engine]:
    found = Engine(
        Registry(
            [
                builders.chat_spec(chat_checkpoint),
                builders.embedding_spec(embedding_checkpoint),
                builders.chat_spec(tmp_path / "none", id="missing"),
            ]
        )
    )
    yield found
    found.close(timeout_s=10)


def chat(model: str = "tiny", **sampling: object) -> ChatRequest:
    params = {"max_tokens": 8, "temperature": 0.0, **sampling}
    return ChatRequest(
        request_id="r",
        model=model,
        messages=({"role": "user", "content": "hello"},),
        sampling=SamplingParams(**params),  # type: ignore[arg-type]
    )


def test_serves_both_models_on_first_use(engine: Engine) -> None:
    answer, vectors = RecordingListener(), RecordingListener()

    engine.submit(chat(), answer)
    engine.submit(
        EmbeddingRequest(request_id="e", model="tiny-embedding", inputs=("hello",)), vectors
    )

    assert isinstance(answer.wait(), ChatResult)
    assert isinstance(vectors.wait(), EmbeddingResult)
    assert engine.loaded() == ("tiny", "tiny-embedding")
    assert engine.running() == 0


def test_a_missing_model_fails_and_the_others_go_on(engine: Engine) -> None:
    missing, answer = RecordingListener(), RecordingListener()

    engine.submit(chat("missing"), missing)
    engine.submit(chat(), answer)

    assert isinstance(missing.wait(), ModelLoadFailed)
    assert isinstance(answer.wait(), ChatResult)


def test_a_crashed_model_is_loaded_anew(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, crashed, after = RecordingListener(), RecordingListener(), RecordingListener()
    engine.submit(chat(), first)
    expected = first.wait()
    backend = engine._models["tiny"].backend
    processor = backend._manager._manager.batch_processor  # type: ignore[union-attr]

    def crash(*args: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(processor, "_generation_step", crash)
    engine.submit(chat(), crashed)
    crashed.wait()

    engine.submit(chat(), after)

    assert after.wait() == expected


def test_close_leaves_no_thread_behind(engine: Engine) -> None:
    before = threading.active_count()
    listener = RecordingListener()
    engine.submit(chat(max_tokens=400, min_tokens=400), listener)
    listener.wait_for_deltas(1)

    engine.close(timeout_s=10)

    assert isinstance(listener.wait(1), EngineClosed)
    assert threading.active_count() <= before
