"""Serves work of every kind to the tests of the whole site."""

import pytest

from inference.registry import Registry
from inference.types import Modality
from jobs import registry
from tests.unit.inference.specs import echo_spec

RERANKER = echo_spec("echo-rerank", modality=Modality.RERANK)


@pytest.fixture(autouse=True)
def with_a_reranker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the one kind of model that is not there from the start."""
    known = Registry([*registry.models().models, RERANKER])
    monkeypatch.setattr(registry, "models", lambda: known)
