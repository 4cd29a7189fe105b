"""What must be installed and built before workers can start, checked before anything is started."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

from genie.standalone.errors import StandaloneError

INFERENCE = {
    "transformers": ("torch", "transformers", "safetensors", "numpy"),
    "diffusers": ("torch", "transformers", "safetensors", "diffusers", "accelerate"),
}


def check_inference(models: list[dict[str, Any]]) -> None:
    """Refuse to start workers for models whose library is missing.

    Raises:
        StandaloneError: names what is missing and how to install it.
    """
    backends = dict.fromkeys(str(model.get("backend")) for model in models)
    needed = [name for backend in backends for name in INFERENCE.get(backend, ())]
    missing = [name for name in dict.fromkeys(needed) if importlib.util.find_spec(name) is None]
    if missing:
        raise StandaloneError(
            f"The workers need {', '.join(missing)}, which the extra `inference` installs: run "
            '`make setup`, or `pip install -c constraints.txt -e ".[inference]"`.'
        )


def missing_checkpoints(models: list[dict[str, Any]], models_file: Path) -> list[str]:
    """Return the models whose source is a local path without a checkpoint."""
    return [
        str(model.get("id"))
        for model in models
        if str(model.get("source", "")).startswith(("./", "../", "/"))
        and not any(
            (models_file.parent / str(model["source"]) / name).exists()
            for name in ("config.json", "model_index.json")
        )
    ]


def read_models(models_file: Path) -> list[dict[str, Any]]:
    """Return the [[models]] tables; what they mean is the business of `inference`.

    Raises:
        StandaloneError: the file cannot be read or is not TOML.
    """
    try:
        data = tomllib.loads(models_file.read_text("utf-8"))
    except OSError as error:
        raise StandaloneError(f"Cannot read the models {models_file}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StandaloneError(f"The models {models_file} are not valid TOML: {error}.") from error
    models = data.get("models", [])
    return [model for model in models if isinstance(model, dict)]
