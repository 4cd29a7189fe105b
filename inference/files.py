"""The files of a checkpoint: which are allowed, where they are, and whether they can be read.

Safetensors only: a pickle runs whatever it was made to run, so no *.bin, *.pt or *.ckpt is ever
fetched or opened, and no *.py.
"""

import json
from pathlib import Path
from typing import Any

import huggingface_hub

from inference.specs import ModelSpec

ALLOWED = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5"})
_HEADER_LIMIT = 100_000_000  # bytes, as the format has it
_INDEX = "model_index.json"  # of a pipeline, whose parts lie in directories of their own
_CONFIGS = ("config.json", _INDEX)
_NOT_LOADED = frozenset({"safety_checker"})  # what may be made is decided before a job is admitted
_VARIANTS = (".fp16", ".bf16", ".non_ema", ".fp32")  # the same weights once more


def directory_of(spec: ModelSpec) -> Path | None:
    """Return where a model's files are on this machine; None if they are not. Downloads nothing."""
    if not spec.source or spec.is_remote:
        return None
    if spec.directory is not None:
        return spec.directory if has_config(spec.directory) else None
    for name in _CONFIGS:
        found = huggingface_hub.try_to_load_from_cache(spec.source, name, revision=spec.revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def has_config(directory: Path) -> bool:
    """Tell whether a directory has what every checkpoint has."""
    return any((directory / name).is_file() for name in _CONFIGS)


def weights_in(directory: Path) -> list[Path]:
    """Return the files of weights that are loaded, without second copies in other formats."""
    found = sorted(directory.rglob("*.safetensors"))
    if (directory / _INDEX).is_file():
        found = [path for path in found if path.parent != directory]
        found = [path for path in found if path.parent.name not in _NOT_LOADED]
    plain = [path for path in found if not _is_variant(path)]
    return plain or found


def pickles_in(directory: Path) -> list[Path]:
    """Return the files that could run code when opened by others; this program never opens them."""
    return sorted(path for path in directory.rglob("*") if path.suffix.lower() in PICKLES)


def header_of(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: name to dtype, shape and place of each tensor.

    Raises:
        ValueError: the file is damaged or something else; says how.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_HEADER_LIMIT, size - 8):
            raise ValueError("its header is cut off or is none")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise ValueError("its header is not readable") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no table")  # noqa: TRY004 - the file's value, not an argument
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    if 8 + length + max(ends, default=0) != size:
        raise ValueError(
            f"it has {size} bytes, and its header says {8 + length + max(ends, default=0)}"
        )
    return header


def _is_variant(path: Path) -> bool:
    return any(mark in path.name for mark in _VARIANTS)
