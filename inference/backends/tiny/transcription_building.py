"""Makes the transcription checkpoint's directory: tokenizer, training, measurement, card."""

import time
from pathlib import Path
from typing import Any

import rich.console
import transformers

from inference.backends.tiny import (
    cards,
    progress,
    transcription_alignment,
    transcription_evaluation,
    transcription_training,
)


def build(
    directory: Path,
    *,
    console: rich.console.Console,
    recipe: transcription_training.Recipe | None = None,
    count: int = 300,
) -> None:
    """Train the transcription model, save it with its processor, and measure it for the card."""
    recipe = recipe or transcription_training.Recipe()
    began = time.monotonic()
    tokenizer = transcription_training.new_tokenizer()
    model = transcription_training.new_model(tokenizer, seed=recipe.seed)
    with progress.shown("Training the transcription model", console=console) as step:
        transcription_training.train(model, tokenizer, recipe=recipe, progress=step)
    minutes = (time.monotonic() - began) / 60
    model.generation_config = _settings(model, tokenizer, recipe=recipe)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    transcription_training.new_features().save_pretrained(directory)
    console.print("Measuring the transcription model on held-out recordings")
    hearing = transcription_evaluation.score(directory, count=count, seed=7)
    card = cards.transcription(
        recipe=recipe, hearing=hearing, weights=model.num_parameters(), minutes=minutes
    )
    (directory / "README.md").write_text(card, encoding="utf-8")


def _settings(
    model: Any, tokenizer: Any, *, recipe: transcription_training.Recipe
) -> transformers.GenerationConfig:
    settings = transcription_training.settings_of_generation(tokenizer)
    settings.alignment_heads = transcription_alignment.heads(model, tokenizer, seed=recipe.seed)
    return settings
