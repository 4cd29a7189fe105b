"""Opens diffusion pipelines by their model_index.json: which files, which parts, on which device.

Safety, wired in: safetensors only; no code from a checkpoint is ever run, and its index may name
classes of diffusers and transformers alone; nothing is downloaded that is not needed. The checkers
that paint a picture black are not loaded: what may be made is decided before a job is admitted.
"""

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from inference.backends import loading
from inference.errors import ModelLoadFailed, ModelMissing
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)

INDEX = "model_index.json"

_LIBRARIES = frozenset({"diffusers", "transformers"})
_NOT_LOADED = "safety_checker"
_SHARED = ("vae", "text_encoder", "tokenizer")  # between the pipelines of one family
_OFFLOADS = ("none", "model", "layers")
# Besides the weights: configurations and tokenizers. No *.bin, no *.pt, no *.py.
_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
# Other spellings of the same weights, which a repository may have beside the plain ones.
_VARIANTS = ("*.fp16*", "*.bf16*", "*.fp32*", "*.non_ema*", "*.ema*")


def fetch(spec: ModelSpec, source: str, *, shared: Collection[str] = ()) -> Path:
    """Return the directory of a pipeline: a path, or of a hub id what it needs, downloaded.

    Args:
        spec: whose options count.
        source: a directory that begins with /, or a hub id: the model's own, of its revision, or
            that of option `transitions`, of option `transitions_revision`.
        shared: parts that are at hand already.

    Raises:
        ModelMissing: there is no such directory.
        ModelLoadFailed: its index names something that is never loaded.
    """
    if not source.startswith("/"):
        return _download(spec, source, shared)
    directory = Path(source)
    if not (directory / INDEX).is_file():
        logger.error("model %s: no %s in %s", spec.id, INDEX, directory)
        raise ModelMissing(f"The files of model {spec.id} are not on this worker.")
    return directory


def fetch_all(spec: ModelSpec) -> Path:
    """Download what all checkpoints of a model need, and return the directory of its own.

    Raises:
        ModelMissing: a directory that is named is not there.
        ModelLoadFailed: an index names something that is never loaded.
    """
    directory = fetch(spec, spec.source)
    if "transitions" in spec.options:
        first = json.loads((directory / INDEX).read_text("utf-8")).get("_class_name")
        fetch(spec, source_of_transitions(spec, directory), shared=shared_parts(str(first)))
    return directory


def source_of_transitions(spec: ModelSpec, directory: Path) -> str:
    """Return what option `transitions` names; a model's own directory holds what begins so: ./x."""
    named = str(spec.options["transitions"])
    return f"{directory}/{named[2:]}" if named.startswith("./") else named


def shared_parts(class_name: str) -> tuple[str, ...]:
    """Return the parts that a second checkpoint has in common with a pipeline of this class."""
    return _SHARED if class_name.startswith("Wan") else ()


def open_pipeline(
    spec: ModelSpec, directory: Path, *, shared: Mapping[str, Any] | None = None
) -> Any:
    """Return the pipeline of a directory, in main memory; `shared` parts are taken as they are.

    Raises:
        ModelLoadFailed: its index names something that is never loaded.
    """
    be_quiet()
    given = dict(shared or {})
    if _NOT_LOADED in _parts(spec, directory / INDEX, loaded=False):
        given |= {_NOT_LOADED: None, "requires_safety_checker": False}
    dtype = loading.pick_dtype(spec, loading.pick_device(spec))
    vae_dtype = loading.dtype_named(spec, spec.options.get("vae_dtype", "auto")) or dtype
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        directory,
        dtype={"default": dtype, "vae": vae_dtype},
        variant=spec.options.get("variant"),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        **given,
    )
    pipe.set_progress_bar_config(disable=True)
    if spec.options.get("vae_tiling"):
        pipe.vae.enable_tiling()
    return pipe


def place(spec: ModelSpec, pipe: Any, device: torch.device) -> None:
    """Bring a pipeline to its device: all of it, or by option `offload` each part when it is used.

    Raises:
        ModelLoadFailed: the option is unknown, or there is no device to offload from.
    """
    offload = str(spec.options.get("offload", "none"))
    if offload not in _OFFLOADS:
        raise ModelLoadFailed(f"Model {spec.id} has an unknown offload; use {[*_OFFLOADS]}.")
    if offload == "none":
        pipe.to(device)
    elif device.type == "cpu":
        raise ModelLoadFailed(f"Model {spec.id} has option offload, which needs a CUDA device.")
    elif offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)


def be_quiet() -> None:
    """Keep bars out of the log, and prompts: both libraries warn with the text of a long one."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()


def _download(spec: ModelSpec, hub_id: str, shared: Collection[str]) -> Path:
    """Return the snapshot of a hub id: its index first, which says what else is needed.

    A repository often has the same weights several times, at its root and as variants.
    """
    is_own = hub_id == spec.source
    revision = spec.revision if is_own else spec.options.get("transitions_revision")
    index = Path(huggingface_hub.hf_hub_download(hub_id, INDEX, revision=revision))
    variant = spec.options.get("variant")
    weights = f"*.{variant}*.safetensors" if variant else "*.safetensors"
    wanted = [
        f"{part}/{pattern}"
        for part in _parts(spec, index)
        if part not in shared
        for pattern in (*_FILES, weights)
    ]
    found = huggingface_hub.snapshot_download(
        hub_id,
        revision=revision,
        allow_patterns=[INDEX, *wanted],
        ignore_patterns=None if variant else [f"*/{pattern}" for pattern in _VARIANTS],
    )
    return Path(found)


def _parts(spec: ModelSpec, index: Path, *, loaded: bool = True) -> list[str]:
    """Return the parts that an index names: those that are loaded, or those that are not.

    Raises:
        ModelLoadFailed: a class is none of the libraries'.
    """
    named: dict[str, Any] = json.loads(index.read_text("utf-8"))
    name = named.get("_class_name")
    parts = {  # part: library; other values are settings of the pipeline itself
        part: value[0]
        for part, value in named.items()
        if isinstance(value, list) and len(value) == 2 and value[0] is not None
    }
    foreign = {library for part, library in parts.items() if part != _NOT_LOADED} - _LIBRARIES
    if not isinstance(name, str) or not hasattr(diffusers, name) or foreign:
        logger.error("model %s: %s names code that is not run: %s", spec.id, index, foreign or name)
        raise ModelLoadFailed(f"Model {spec.id} needs code of its own, which is never run.")
    return [part for part in parts if (part != _NOT_LOADED) is loaded]
