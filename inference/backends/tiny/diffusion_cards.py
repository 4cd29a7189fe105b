"""Saves a tiny pipeline, and the card that says what it is and is not."""

from pathlib import Path
from typing import Any

import diffusers
import torch

from inference.backends import pipelines

_CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-{makes}
---
# {name}

A stand-in that **draws noise**. It is a real {pipeline} of diffusers with every part that such a
pipeline has, but {weights:,} weights in all, drawn at random with seed {seed} and never trained. It
shows nothing that a prompt asks for: it makes the whole path run on a laptop with no download, with
real steps, real progress, real files, and the same {makes} for the same prompt and seed.

Put a real model in its place, such as `{real}`: docs/models.md says how.

Built by `python manage.py build_models` (code: `inference/backends/tiny/`) with torch {torch} and
diffusers {diffusers}, in a second; the same versions give the same weights. No outside weights or
pictures went into it. Licence: Apache-2.0, like the code.
"""


def save(pipe: Any, directory: Path, *, makes: str, seed: int, real: str) -> None:
    """Save a pipeline in bfloat16 with its card."""
    pipelines.be_quiet()
    models = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    for model in models:
        model.to(torch.bfloat16)
    pipe.save_pretrained(directory)
    card = _CARD.format(
        makes=makes,
        name=directory.name,
        pipeline=type(pipe).__name__,
        weights=sum(weight.numel() for model in models for weight in model.parameters()),
        seed=seed,
        real=real,
        torch=torch.__version__,
        diffusers=diffusers.__version__,
    )
    (directory / "README.md").write_text(card, encoding="utf-8")
