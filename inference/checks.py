"""System checks: the models file can be read, and the local checkpoints it names are there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

from inference import registry
from inference.errors import RegistryError
from inference.specs import ModelSpec

DEFAULT_MODELS_FILE = Path(__file__).with_name("models.toml")


@checks.register("inference")
def check_models_file(
    app_configs: Sequence[Any] | None = None, **_: object
) -> list[checks.CheckMessage]:
    """Report every mistake in the models file, and every local checkpoint that is missing."""
    del app_configs
    return messages_for(Path(getattr(settings, "GENIE_MODELS_FILE", None) or DEFAULT_MODELS_FILE))


def messages_for(path: Path) -> list[checks.CheckMessage]:
    """Return what is wrong with one models file."""
    try:
        found = registry.load_registry(path)
    except RegistryError as error:
        return [checks.Error(problem, id="inference.E001") for problem in error.problems]
    return [_missing(spec) for spec in found.models if not _is_there(spec)]


def _is_there(spec: ModelSpec) -> bool:
    if spec.directory is None:
        return True
    return any((spec.directory / name).is_file() for name in ("config.json", "model_index.json"))


def _missing(spec: ModelSpec) -> checks.CheckMessage:
    # A warning: a web process need not have the weights that a worker elsewhere has.
    return checks.Warning(
        f"Model {spec.id}: there is no checkpoint in {spec.source}.",
        hint="Run `python manage.py build_models`, place the files, or correct its source.",
        id="inference.W001",
    )
