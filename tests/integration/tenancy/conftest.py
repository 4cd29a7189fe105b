"""Lets the flush behind a test of the whole site empty money's tables; serves work of every kind."""

import pytest

from inference.registry import Registry
from inference.types import Modality
from jobs import registry
from tests.integration.budgets.conftest import flush_passes_the_append_only_trigger
from tests.unit.inference.specs import echo_spec

__all__ = ["flush_passes_the_append_only_trigger"]

RERANKER = echo_spec("echo-rerank", modality=Modality.RERANK)


@pytest.fixture(autouse=True)
def with_a_reranker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the one kind of model that is not there from the start."""
    known = Registry([*registry.models().models, RERANKER])
    monkeypatch.setattr(registry, "models", lambda: known)
