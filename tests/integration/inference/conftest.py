"""Tiny checkpoints, built once, and backends loaded from them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.backends.embeddings import EmbeddingBackend
from inference.backends.reranking import RerankBackend
from inference.backends.speech import SpeechBackend
from inference.backends.transcription import TranscriptionBackend
from inference.backends.transformers import ChatBackend
from tests.integration.inference import builders


@pytest.fixture(scope="session")
def chat_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builders.build_chat_checkpoint(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="session")
def embedding_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builders.build_embedding_checkpoint(tmp_path_factory.mktemp("embedding"))


@pytest.fixture(scope="session")
def chat_backend(chat_checkpoint: Path) -> Iterator[ChatBackend]:
    backend = ChatBackend(builders.chat_spec(chat_checkpoint))
    backend.load()
    yield backend
    backend.close(timeout_s=10)


@pytest.fixture(scope="session")
def embedding_backend(embedding_checkpoint: Path) -> Iterator[EmbeddingBackend]:
    backend = EmbeddingBackend(builders.embedding_spec(embedding_checkpoint))
    backend.load()
    yield backend
    backend.close(timeout_s=10)


@pytest.fixture(scope="session")
def rerank_backend() -> Iterator[RerankBackend]:
    backend = RerankBackend(builders.rerank_spec())
    backend.load()
    yield backend
    backend.close(timeout_s=10)


@pytest.fixture(scope="session")
def speech_backend() -> Iterator[SpeechBackend]:
    backend = SpeechBackend(builders.speech_spec())
    backend.load()
    yield backend
    backend.close(timeout_s=10)


@pytest.fixture(scope="session")
def transcription_backend() -> Iterator[TranscriptionBackend]:
    backend = TranscriptionBackend(builders.transcription_spec())
    backend.load()
    yield backend
    backend.close(timeout_s=10)
