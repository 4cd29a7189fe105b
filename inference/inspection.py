"""Whether a model's files can be served: there, whole, safe, and in keeping with its entry.

Reads headers and small files, and no weights unless hashes are asked for; needs no torch.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inference import files
from inference.specs import ModelSpec
from inference.types import Modality

_CHUNK = 1 << 20
# The hub's cache stores large files under the SHA-256 of their content, and links to them.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found."""

    directory: Path | None  # None: nothing is there, or nothing is needed
    weight_bytes: int
    problems: tuple[str, ...]  # keep the model from being served
    remarks: tuple[str, ...]  # do not


def inspect(spec: ModelSpec, *, hashes: bool = False) -> Inspection:
    """Return what there is to say about the files of a model on this machine.

    Args:
        spec: The model.
        hashes: Read all weights and compare them with the digests that the hub's cache names.
    """
    if not spec.source or spec.is_remote:
        return Inspection(directory=None, weight_bytes=0, problems=(), remarks=())
    directory = files.directory_of(spec)
    if directory is None:
        problem = (
            f"nothing is in {spec.source}; place the files there, or correct its source."
            if spec.directory is not None
            else f"{spec.source} is not on this machine; fetch it with `models pull {spec.id}`."
        )
        return Inspection(directory=None, weight_bytes=0, problems=(problem,), remarks=())
    weights = files.weights_in(directory)
    problems = [*_weights(weights, directory), *_config(spec, directory)]
    if hashes:
        problems += _hashes(weights, directory)
    return Inspection(
        directory=directory,
        weight_bytes=sum(path.stat().st_size for path in weights),
        problems=tuple(problems),
        remarks=tuple(_remarks(directory)),
    )


def _weights(weights: list[Path], directory: Path) -> Iterator[str]:
    if not weights:
        yield "there is no *.safetensors file; other formats are not opened. Convert it first."
    for path in weights:
        try:
            files.header_of(path)
        except (ValueError, OSError, KeyError, TypeError) as error:
            yield f"{path.relative_to(directory)} is damaged: {error}. Fetch it again."
    for index in sorted(directory.rglob("*.safetensors.index.json")):
        yield from _missing_shards(index, directory)


def _missing_shards(index: Path, directory: Path) -> Iterator[str]:
    try:
        shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        yield f"{index.relative_to(directory)} is damaged. Fetch it again."
        return
    for shard in sorted(shards):
        if not (index.parent / shard).is_file():
            yield f"{(index.parent / shard).relative_to(directory)} is missing. Fetch it again."


def _config(spec: ModelSpec, directory: Path) -> Iterator[str]:
    for path in sorted((*directory.glob("*.json"), *directory.glob("*/config.json"))):
        try:
            json.loads(path.read_text("utf-8"))
        except (ValueError, OSError):
            yield f"{path.relative_to(directory)} is not readable as JSON. Fetch it again."
            return
    if spec.modality not in (Modality.CHAT, Modality.EMBEDDING, Modality.RERANK):
        return
    if not (directory / "config.json").is_file():
        yield "config.json is missing. Fetch it again."
        return
    config = json.loads((directory / "config.json").read_text("utf-8"))
    yield from _text_config(spec, directory, config.get("text_config", config))
    if spec.modality is Modality.RERANK and (problem := head_problem(config)) is not None:
        yield problem


def _text_config(spec: ModelSpec, directory: Path, config: dict[str, Any]) -> Iterator[str]:
    known = config.get("max_position_embeddings")
    if isinstance(known, int) and spec.context_tokens > known:
        yield (
            f"context_tokens is {spec.context_tokens}, and the checkpoint knows {known} positions; "
            "lower context_tokens."
        )
    if not any((directory / name).is_file() for name in _TOKENIZERS):
        yield "it has no tokenizer (tokenizer.json). Fetch it again."
    if spec.modality is Modality.CHAT and not _has_template(directory):
        yield "it has no chat template, so it is no model for chats. Choose its instruct variant."


def head_problem(config: dict[str, Any]) -> str | None:
    """Return why a checkpoint of this config.json is no cross-encoder with one score, or None."""
    named = config.get("architectures") or []
    if not any(str(name).endswith("ForSequenceClassification") for name in named):
        return "its config.json names no model for sequence classification. Choose a cross-encoder."
    labels = len(config.get("id2label") or (0, 1))  # the library's own default is two
    if labels != 1:
        return f"it tells {labels} labels apart; a reranker has one score. Choose a cross-encoder."
    return None


def _has_template(directory: Path) -> bool:
    if (directory / "chat_template.jinja").is_file() or (
        directory / "chat_template.json"
    ).is_file():
        return True
    path = directory / "tokenizer_config.json"
    return path.is_file() and "chat_template" in json.loads(path.read_text("utf-8"))


def _hashes(weights: list[Path], directory: Path) -> Iterator[str]:
    for path in weights:
        wanted = path.resolve().name
        if _SHA256.fullmatch(wanted) and _digest(path) != wanted:
            yield f"{path.relative_to(directory)} is not what was downloaded. Remove and pull it."


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _remarks(directory: Path) -> Iterator[str]:
    if pickles := files.pickles_in(directory):
        names = ", ".join(str(path.relative_to(directory)) for path in pickles[:3])
        yield f"{names} could run code in other programs; this one never opens it. Remove it."
