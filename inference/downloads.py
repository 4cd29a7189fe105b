"""Fetches the files of a model from the hub, before a worker needs them."""

import importlib
import logging
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors
from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

from inference import files
from inference.errors import InferenceError
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)

# Who knows better than "all that is allowed": a pipeline's repository has its weights several times.
# Dotted names, for what they name imports torch.
_FETCHERS = {"diffusers": "inference.backends.pipelines:fetch_all"}


class PullFailed(Exception):
    """Nothing was fetched; the message is a sentence for whoever asked."""


def pull(spec: ModelSpec, *, progress: bool = False) -> Path:
    """Download what is allowed of a model's hub ids, and return where it lies. Resumes; checks digests.

    A model that makes transitions with a second checkpoint has two of them.

    Args:
        spec: The model.
        progress: Show a bar for each file on stderr.

    Raises:
        PullFailed: it has no hub id, or the hub did not give it.
    """
    if spec.is_remote:
        raise PullFailed(f"The files of {spec.id} are with its server; there is nothing to pull.")
    if not _names_a_hub_id(spec):
        where = f"are in {spec.source}, placed by hand" if spec.source else "are not needed"
        raise PullFailed(f"The files of {spec.id} {where}; there is nothing to pull.")
    (enable_progress_bars if progress else disable_progress_bars)()
    try:
        return _fetched(spec)
    except InferenceError as error:
        raise PullFailed(error.message) from error
    except Exception as error:  # of the hub, its client or the disk, each with its own classes
        logger.debug("a pull failed", exc_info=True)
        raise PullFailed(_sentence(spec, error)) from error


def _names_a_hub_id(spec: ModelSpec) -> bool:
    """Tell whether anything of a model comes from the hub: it, or what it makes transitions with."""
    named = [spec.source, str(spec.options.get("transitions", ""))]
    return any(one and not one.startswith(("/", "./")) for one in named)


def _fetched(spec: ModelSpec) -> Path:
    if spec.backend in _FETCHERS:
        module, _, name = _FETCHERS[spec.backend].partition(":")
        return Path(getattr(importlib.import_module(module), name)(spec))
    found = huggingface_hub.snapshot_download(
        spec.source, revision=spec.revision, allow_patterns=list(files.ALLOWED)
    )
    return Path(found)


def _sentence(spec: ModelSpec, error: Exception) -> str:
    match error:
        case errors.GatedRepoError():
            return (
                f"{spec.source} asks for consent: agree on its page, then set HF_TOKEN to a token."
            )
        case errors.RepositoryNotFoundError():
            return f"The hub has no {spec.source}, or HF_TOKEN may not see it; correct its source."
        case errors.RevisionNotFoundError():
            return f"{spec.source} has no revision {spec.revision}; correct it in the models file."
        case errors.OfflineModeIsEnabled() | errors.LocalEntryNotFoundError():
            return (
                f"The hub cannot be reached for {spec.source}: connect this machine and unset "
                "HF_HUB_OFFLINE, or place the files by hand and set source to their directory."
            )
        case OSError() if error.errno is not None:
            return f"{spec.source} could not be stored: {error.strerror}."
        case _:
            return f"{spec.source} could not be downloaded ({type(error).__name__}); try again."
