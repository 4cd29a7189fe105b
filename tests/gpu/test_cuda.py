"""The same promises on a CUDA device. Skipped where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference.backends.embeddings import EmbeddingBackend
from inference.backends.reranking import RerankBackend
from inference.backends.transformers import ChatBackend
from inference.errors import Cancelled
from inference.specs import ModelSpec
from inference.types import (
    ChatRequest,
    ChatResult,
    EmbeddingRequest,
    EmbeddingResult,
    RerankRequest,
    RerankResult,
    SamplingParams,
)
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builders.build_chat_checkpoint(tmp_path_factory.mktemp("chat"))


@pytest.fixture(params=["float32", "auto"])
def backend(checkpoint: Path, request: pytest.FixtureRequest) -> Iterator[ChatBackend]:
    found = ChatBackend(_spec(checkpoint, dtype=request.param))
    found.load()
    yield found
    found.close(timeout_s=30)


def _spec(checkpoint: Path, **options: object) -> ModelSpec:
    return builders.chat_spec(checkpoint, options={"device": "cuda", "cache_gib": 1, **options})


def _start(backend: ChatBackend, number: int, **sampling: object) -> RecordingListener:
    listener = RecordingListener()
    params = {"max_tokens": 32, "temperature": 1.0, "seed": number, **sampling}
    backend.submit(
        ChatRequest(
            request_id=f"r{number}",
            model="tiny",
            messages=({"role": "user", "content": f"hello {number}"},),
            sampling=SamplingParams(**params),  # type: ignore[arg-type]
        ),
        listener,
    )
    return listener


def test_many_chats_run_at_once(backend: ChatBackend) -> None:
    listeners = [_start(backend, number, top_p=0.9, presence_penalty=0.5) for number in range(16)]

    outcomes = [listener.wait() for listener in listeners]

    assert all(isinstance(outcome, ChatResult) for outcome in outcomes)


def test_cancel_ends_it_in_flight(backend: ChatBackend) -> None:
    listener = RecordingListener()
    handle = backend.submit(
        ChatRequest(
            request_id="c",
            model="tiny",
            messages=({"role": "user", "content": "hello"},),
            sampling=SamplingParams(max_tokens=400, min_tokens=400),
        ),
        listener,
    )
    listener.wait_for_deltas(1)

    handle.cancel()

    assert isinstance(listener.wait(5), Cancelled)


def test_in_float32_company_changes_nothing(checkpoint: Path) -> None:
    backend = ChatBackend(_spec(checkpoint, dtype="float32"))
    backend.load()
    alone = [_start(backend, number).wait() for number in range(8)]

    together = [listener.wait() for listener in [_start(backend, n) for n in range(8)]]

    backend.close(timeout_s=30)
    assert together == alone


def test_embeddings_run(tmp_path: Path) -> None:
    directory = builders.build_embedding_checkpoint(tmp_path)
    backend = EmbeddingBackend(builders.embedding_spec(directory, options={"device": "cuda"}))
    backend.load()
    listener = RecordingListener()

    backend.submit(EmbeddingRequest(request_id="e", model="m", inputs=("a", "b c")), listener)

    outcome = listener.wait()
    backend.close(timeout_s=30)
    assert isinstance(outcome, EmbeddingResult)
    assert len(outcome.vectors) == 2


def test_documents_are_ranked_as_on_the_cpu() -> None:
    documents = ("a light at sea", "a recipe for bread", "the sea")
    found = []
    for device in ("cuda", "cpu"):
        backend = RerankBackend(builders.rerank_spec(options={"device": device}))
        backend.load()
        listener = RecordingListener()
        backend.submit(
            RerankRequest(request_id="r", model="m", query="light at sea", documents=documents),
            listener,
        )
        outcome = listener.wait()
        backend.close(timeout_s=30)
        assert isinstance(outcome, RerankResult)
        found.append(outcome.scores)

    assert found[0] == pytest.approx(found[1], abs=0.05)  # bfloat16 has three digits
