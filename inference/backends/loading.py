"""Opens checkpoints with transformers: where from, onto which device, in which number format.

Safety, wired in: safetensors only, and no code from a checkpoint is ever run.
"""

import gc
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
import torch
from transformers.utils import logging as transformers_logging

from inference import faults, files, tokenization
from inference.errors import (
    DeviceLost,
    InferenceError,
    ModelLoadFailed,
    ModelMissing,
    OutOfMemory,
)
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(spec: ModelSpec) -> torch.device:
    """Return the device of a model: option `device`, or CUDA where there is one.

    Raises:
        ModelLoadFailed: the option names a device that this machine does not have.
    """
    name = str(spec.options.get("device", "auto"))
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ModelLoadFailed(f"Model {spec.id} needs a CUDA device, and there is none.")
    return torch.device(name)


def pick_dtype(spec: ModelSpec, device: torch.device) -> torch.dtype:
    """Return the number format: option `dtype`, or bfloat16 on CUDA and float32 on CPU.

    Raises:
        ModelLoadFailed: the option names an unknown format.
    """
    usual = torch.float32 if device.type == "cpu" else torch.bfloat16
    return dtype_named(spec, spec.options.get("dtype", "auto")) or usual


def dtype_named(spec: ModelSpec, name: Any) -> torch.dtype | None:
    """Return the number format of this name; None for `auto`.

    Raises:
        ModelLoadFailed: there is none of that name.
    """
    if name == "auto":
        return None
    if name not in _DTYPES:
        raise ModelLoadFailed(f"Model {spec.id} has an unknown dtype; use one of {[*_DTYPES]}.")
    return _DTYPES[name]


def free_unused() -> None:
    """Give memory back that torch keeps for later, on every CUDA device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def set_threads(spec: ModelSpec) -> None:
    """Limit torch's threads: option `torch_threads`, or the environment's GENIE_TORCH_THREADS.

    The limit is the process's. Workers that share a machine must share its cores.
    """
    # CPU threads of torch in this process; the option of a model goes before it.
    wanted = spec.options.get("torch_threads") or os.environ.get("GENIE_TORCH_THREADS")
    if wanted:
        torch.set_num_threads(int(wanted))


def fetch(spec: ModelSpec) -> Path:
    """Return the directory of a checkpoint; a hub id is downloaded, unless HF_HUB_OFFLINE is set.

    Raises:
        ModelMissing: there is no such directory.
    """
    if spec.directory is None:
        found = huggingface_hub.snapshot_download(
            spec.source, revision=spec.revision, allow_patterns=list(files.ALLOWED)
        )
        return Path(found)
    if not (spec.directory / "config.json").is_file():
        logger.error("model %s: no config.json in %s", spec.id, spec.directory)
        raise ModelMissing(f"The files of model {spec.id} are not on this worker.")
    return spec.directory


def open_model(spec: ModelSpec, auto_class: Any, directory: Path) -> torch.nn.Module:
    """Return the model of a directory, on its device and ready to run."""
    transformers_logging.disable_progress_bar()  # a worker's log is no terminal
    device = pick_device(spec)
    model = auto_class.from_pretrained(
        directory,
        dtype=pick_dtype(spec, device),
        attn_implementation=str(spec.options.get("attn", "sdpa")),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    _check_context(spec, model.config)
    return model.to(device).eval()


def _check_context(spec: ModelSpec, config: Any) -> None:
    known = getattr(config.get_text_config(), "max_position_embeddings", None)
    if known is not None and spec.context_tokens > known:
        raise ModelLoadFailed(
            f"context_tokens of model {spec.id} is {spec.context_tokens}, but its checkpoint knows "
            f"{known} positions: lower context_tokens."
        )


def open_tokenizer(spec: ModelSpec, directory: Path) -> PromptTokenizer:
    """Return the tokenizer that web processes count with, too.

    Raises:
        ModelLoadFailed: its files are missing or damaged.
    """
    return tokenization.tokenizer_for(spec, directory=directory)


def guarded(spec: ModelSpec, load: Callable[[], _T]) -> _T:
    """Run a loading step; whatever goes wrong is logged here and told in words for callers.

    Raises:
        ModelLoadFailed: or OutOfMemory, if that was the reason.
    """
    try:
        return load()
    except InferenceError:
        raise
    except Exception as error:
        logger.exception("model %s could not be loaded", spec.id)
        if faults.is_device_lost(error):
            raise DeviceLost(f"The device failed while model {spec.id} was loaded.") from error
        if is_out_of_memory(error):
            raise OutOfMemory(f"There is no memory left to load model {spec.id}.") from error
        raise ModelLoadFailed(f"Model {spec.id} could not be loaded on this worker.") from error


def is_out_of_memory(error: BaseException | str) -> bool:
    """Tell whether an error, or its text, says that memory ran out."""
    return faults.is_out_of_memory(error)
