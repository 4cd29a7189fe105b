"""What the registry knows about one model."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference.types import Modality


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's tokens cost. A job records the version it was priced with."""

    version: str
    prompt_microcredits_per_million: int  # micro-credits (1e-6 credit) per 1e6 prompt tokens
    completion_microcredits_per_million: int  # the same, for generated tokens


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One entry of the models file."""

    id: str
    aliases: tuple[str, ...] = ()
    modality: Modality
    backend: str  # a key of the registry's table of backends
    source: str = ""  # an absolute local directory, or a hub id; empty where none is needed
    revision: str | None = None  # commit or tag of a hub id
    context_tokens: int  # prompt and completion together; per input for embeddings
    max_output_tokens: int = 0  # the most that a request may ask for; 0 for embeddings
    default_max_tokens: int = 0  # for requests that do not say
    capabilities: tuple[str, ...] = ()
    price: Price
    max_batch: int = 1  # slots: requests that may run at the same time
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # read by the backend

    @property
    def directory(self) -> Path | None:
        """The local directory of the checkpoint; None if the source is a hub id or empty."""
        return Path(self.source) if self.source.startswith("/") else None
