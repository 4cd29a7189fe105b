"""Which pictures a video model takes: told by its pipeline's class and settings. Knows no torch.

A checkpoint can only do what it was trained for. Web processes ask the files, where they have them, so
that what cannot be done is refused before a job is made; the backend asks what it has loaded.
"""

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub

from inference import files
from inference.specs import ModelSpec

_INDEX = "model_index.json"
# Where a pipeline's transformer says how it was trained: the first that is there counts.
_TRANSFORMERS = ("transformer", "transformer_2")


class Pictures(enum.Flag):
    """With which pictures a video can be asked for, beside a prompt."""

    NONE = 0
    START = enum.auto()  # a start picture alone
    BOTH = enum.auto()  # a start and an end picture


def of_pipeline(
    class_name: str, *, expand_timesteps: bool, transformer: Mapping[str, Any]
) -> Pictures:
    """Return what a pipeline takes; one that is not known takes prompts alone.

    Args:
        class_name: Of the pipeline, in diffusers.
        expand_timesteps: Its setting of that name: it marks the frames that are given.
        transformer: The settings of its transformer.
    """
    match class_name:
        case "LTXConditionPipeline":
            return Pictures.START | Pictures.BOTH
        case "LTXPipeline" | "LTXImageToVideoPipeline":
            return Pictures.START  # neither was trained with a picture at the end
        case "WanPipeline":
            return Pictures.START if expand_timesteps else Pictures.NONE
        case "WanImageToVideoPipeline":
            return _of_wan(expand_timesteps=expand_timesteps, transformer=transformer)
    return Pictures.NONE


def _of_wan(*, expand_timesteps: bool, transformer: Mapping[str, Any]) -> Pictures:
    if expand_timesteps:
        return Pictures.START
    if transformer.get("image_dim") is None:  # takes the pictures as they are, one or two
        return Pictures.START | Pictures.BOTH
    # With an encoder of pictures: trained either on one or on two, and then it needs both.
    return Pictures.START if transformer.get("pos_embed_seq_len") is None else Pictures.BOTH


def of_model(spec: ModelSpec) -> Pictures | None:
    """Return what a model takes by its files, its option ``transitions`` included.

    None where they are not on this machine or cannot be read: then the worker finds out. Reads small
    files, and downloads nothing.
    """
    own = files.directory_of(spec)
    second = str(spec.options.get("transitions", ""))
    try:
        found = None if own is None else _of_directory(own)
        if second and found is not None:
            more = _second(spec, second, own)
            found = None if more is None else found | _of_directory(more)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a broken checkpoint is not loaded either, which says so
    return found


def _second(spec: ModelSpec, named: str, own: Path | None) -> Path | None:
    """Return where the checkpoint of option ``transitions`` is on this machine."""
    if named.startswith("./") and own is not None:
        return own / named[2:]
    if named.startswith("/"):
        return Path(named)
    revision = spec.options.get("transitions_revision")
    cached = huggingface_hub.try_to_load_from_cache(named, _INDEX, revision=revision)
    return Path(cached).parent if isinstance(cached, str) else None


def _of_directory(directory: Path) -> Pictures:
    index = json.loads((directory / _INDEX).read_text("utf-8"))
    configs = (directory / part / "config.json" for part in _TRANSFORMERS)
    config = next((path for path in configs if path.is_file()), None)
    return of_pipeline(
        index["_class_name"],
        expand_timesteps=bool(index.get("expand_timesteps")),
        transformer=json.loads(config.read_text("utf-8")) if config is not None else {},
    )
