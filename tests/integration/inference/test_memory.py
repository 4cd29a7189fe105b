"""Real models on the CPU: what they take, and that two that do not fit together alternate."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import memory, sizes
from inference.backends.embeddings import EmbeddingBackend
from inference.backends.transformers import ChatBackend
from inference.engine import Engine
from inference.errors import ModelTooLarge
from inference.ports import Backend
from inference.registry import Registry, open_backend
from inference.specs import ModelSpec
from inference.types import ChatRequest, EmbeddingRequest, Result, SamplingParams
from tests.integration.inference import builders, media
from tests.unit.inference.listeners import RecordingListener


class Opened:
    """Opens real backends, and remembers them without keeping them alive."""

    def __init__(self) -> None:
        self.backends: list[weakref.ref[Backend]] = []

    def __call__(self, spec: ModelSpec) -> Backend:
        backend = open_backend(spec)
        self.backends.append(weakref.ref(backend))
        return backend

    def alive(self) -> int:
        gc.collect()
        return sum(1 for one in self.backends if one() is not None)


@pytest.fixture
def specs(chat_checkpoint: Path, embedding_checkpoint: Path) -> list[ModelSpec]:
    return [builders.chat_spec(chat_checkpoint), builders.embedding_spec(embedding_checkpoint)]


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def narrow(specs: list[ModelSpec], opened: Opened) -> Iterator[Engine]:
    """An engine whose budget holds either model, and not both."""
    largest = max(sizes.estimate_bytes(spec, on_cuda=False) for spec in specs)
    limits = memory.of_this_process(budget_bytes=largest * 3 // 2, pinned=[])
    engine = Engine(
        Registry([*specs, builders.chat_spec(Path(specs[0].source), id="twin")]),
        open_backend=opened,
        memory=limits,
    )
    yield engine
    engine.close(timeout_s=10)


def ask(engine: Engine, model: str) -> Result:
    listener = RecordingListener()
    if model == "tiny-embedding":
        engine.submit(EmbeddingRequest(request_id="e", model=model, inputs=("hello",)), listener)
    else:
        engine.submit(
            ChatRequest(
                request_id="c",
                model=model,
                messages=({"role": "user", "content": "hello"},),
                sampling=SamplingParams(max_tokens=4, temperature=0.0),
            ),
            listener,
        )
    outcome = listener.wait()
    assert not isinstance(outcome, Exception), outcome
    return outcome


def test_what_is_measured_is_near_what_was_estimated(
    specs: list[ModelSpec], chat_backend: ChatBackend, embedding_backend: EmbeddingBackend
) -> None:
    backends: list[Backend] = [chat_backend, embedding_backend]
    for spec, backend in zip(specs, backends, strict=True):
        estimated = sizes.estimate_bytes(spec, on_cuda=False)

        assert 0.9 * backend.memory_bytes() < estimated <= 1.1 * backend.memory_bytes()


@pytest.mark.parametrize(
    "spec",
    [media.image_spec(media.SDXL), media.video_spec(media.WAN)],
    ids=["pictures", "videos"],
)
def test_a_pipeline_is_measured_by_its_parts(spec: ModelSpec) -> None:
    backend = open_backend(spec)
    backend.load()
    measured, estimated = backend.memory_bytes(), sizes.estimate_bytes(spec, on_cuda=False)
    backend.close(timeout_s=10)

    assert 0.9 * measured < estimated <= 1.1 * measured
    assert backend.memory_bytes() == 0


def test_two_that_do_not_fit_together_alternate_and_answer_the_same(
    narrow: Engine, opened: Opened
) -> None:
    first = [ask(narrow, model) for model in ("tiny", "twin")]

    again = [ask(narrow, model) for model in ("tiny", "twin", "tiny")]

    assert again == [first[0], first[1], first[0]]
    assert narrow.loaded() == ("tiny",)
    assert len(opened.backends) == 5
    assert opened.alive() == 1  # what left holds no memory any more


def test_what_fits_beside_stays(narrow: Engine) -> None:
    ask(narrow, "tiny-embedding")
    ask(narrow, "tiny-embedding")
    used = narrow.memory_bytes()["tiny-embedding"]

    assert 0 < used < (narrow.memory_budget_bytes or 0)
    assert narrow.loaded() == ("tiny-embedding",)


def test_a_model_beyond_the_budget_says_so(specs: list[ModelSpec]) -> None:
    limits = memory.of_this_process(budget_bytes=1000, pinned=[])
    engine = Engine(Registry(specs), memory=limits)
    listener = RecordingListener()

    engine.submit(
        EmbeddingRequest(request_id="e", model="tiny-embedding", inputs=("hello",)), listener
    )

    outcome = listener.wait()
    engine.close(timeout_s=5)
    assert isinstance(outcome, ModelTooLarge)
    assert "this worker has 1000 bytes" in outcome.message
