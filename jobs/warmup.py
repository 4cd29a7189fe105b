"""Which queues of a worker still wait for the models that it loads at its start."""

from collections.abc import Collection, Mapping
from typing import Protocol


class Loader(Protocol):
    """What loads the models."""

    def loading(self) -> frozenset[str]:
        """Return the models that are on their way."""


class Warmup:
    """Forgets a queue for good once its models have been tried: loaded, or failed.

    A model that failed keeps nobody away: the others are served, and its own jobs are told.

    Args:
        loader: The engine, which has been asked for all of these models.
        resident: The models of each queue that are loaded at the start.
    """

    def __init__(self, loader: Loader, resident: Mapping[str, Collection[str]]) -> None:
        self._loader = loader
        self._waiting = {queue: frozenset(models) for queue, models in resident.items()}

    def queues(self) -> frozenset[str]:
        """Return the queues whose models are still on their way."""
        if self._waiting:
            loading = self._loader.loading()
            self._waiting = {
                queue: models & loading
                for queue, models in self._waiting.items()
                if models & loading
            }
        return frozenset(self._waiting)
