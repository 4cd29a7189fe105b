"""Which models there are: looks up ids and aliases, and opens a model's backend by dotted name."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from inference.errors import UnknownModel
from inference.models_file import read_models
from inference.ports import Backend
from inference.specs import ModelSpec, Price
from inference.types import Modality

__all__ = ["ModelSpec", "Price", "Registry", "load_registry", "open_backend"]

# Dotted names, not classes: so that no import leads from a web process to torch.
_BACKENDS = {
    ("echo", Modality.CHAT): "inference.backends.echo:EchoBackend",
    ("echo", Modality.EMBEDDING): "inference.backends.echo:EchoBackend",
    ("echo", Modality.RERANK): "inference.backends.echo:EchoBackend",
    ("echo", Modality.IMAGE): "inference.backends.echo_media:EchoImageBackend",
    ("echo", Modality.AUDIO): "inference.backends.echo_media:open_audio",
    ("diffusers", Modality.IMAGE): "inference.backends.images:ImageBackend",
    ("diffusers", Modality.VIDEO): "inference.backends.videos:VideoBackend",
    ("openai", Modality.CHAT): "inference.backends.openai:OpenAIBackend",
    ("openai", Modality.EMBEDDING): "inference.backends.openai:OpenAIBackend",
    ("transformers", Modality.CHAT): "inference.backends.transformers:ChatBackend",
    ("transformers", Modality.EMBEDDING): "inference.backends.embeddings:EmbeddingBackend",
    ("transformers", Modality.RERANK): "inference.backends.reranking:RerankBackend",
    ("transformers", Modality.AUDIO): "inference.backends.audio:open_audio",
}


class Registry:
    """The models of one models file."""

    def __init__(self, models: Sequence[ModelSpec]) -> None:
        self.models = tuple(models)
        self._by_id = {spec.id: spec for spec in self.models}
        self._by_name = self._by_id | {
            alias: spec for spec in self.models for alias in spec.aliases
        }

    def resolve(self, name: str) -> ModelSpec:
        """Return the model with this id or alias.

        Raises:
            UnknownModel: no model has it.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownModel(name) from None

    def get(self, model_id: str) -> ModelSpec:
        """Return the model with exactly this id.

        Raises:
            UnknownModel: no model has it; an alias does not count.
        """
        try:
            return self._by_id[model_id]
        except KeyError:
            raise UnknownModel(model_id) from None

    def free_tier_model(self, modality: Modality) -> ModelSpec | None:
        """Return the model that free-tier organisations are served; None if they may choose."""
        return next((spec for spec in self.for_modality(modality) if spec.free_tier), None)

    def queues(self) -> tuple[str, ...]:
        """Return the queues that the jobs of its models wait in, sorted."""
        return tuple(sorted({spec.waits_in for spec in self.models}))

    def for_modality(self, modality: Modality) -> tuple[ModelSpec, ...]:
        """Return the models of a modality, in the order of the file."""
        return tuple(spec for spec in self.models if spec.modality is modality)


def load_registry(path: Path) -> Registry:
    """Read a models file (see docs/models.md).

    Raises:
        RegistryError: with one sentence for each mistake in the file.
    """
    return Registry(read_models(path, backends=frozenset(_BACKENDS)))


def open_backend(spec: ModelSpec) -> Backend:
    """Return the backend of a model, not loaded yet. Imports torch where the backend needs it."""
    module_name, _, name = _BACKENDS[spec.backend, spec.modality].partition(":")
    open_named = getattr(importlib.import_module(module_name), name)
    return cast(Backend, open_named(spec))
