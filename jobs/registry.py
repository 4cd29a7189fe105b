"""This process's model registry, read once from the models file that the settings name; its queues."""

from functools import lru_cache

from django.conf import settings

from inference.registry import Registry, load_registry

SERVICE_QUEUES = ("webhooks", "maintenance")  # of our own work; every other queue has jobs


@lru_cache(maxsize=1)
def models() -> Registry:
    """Return the registry; raises ``inference.errors.RegistryError`` if the file has mistakes."""
    return load_registry(settings.GENIE_MODELS_FILE)


@lru_cache(maxsize=1)
def changed_at() -> int:
    """Return when the models file was last changed, in Unix seconds: a model's ``created``."""
    return int(settings.GENIE_MODELS_FILE.stat().st_mtime)
