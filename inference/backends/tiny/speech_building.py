"""Makes the speech checkpoint's directory: tokenizer, training, measurement, card."""

import time
from pathlib import Path

import rich.console

from inference.backends.tiny import cards, progress, speech_evaluation, speech_training


def build(
    directory: Path,
    *,
    console: rich.console.Console,
    recipe: speech_training.Recipe | None = None,
) -> None:
    """Train the speech model and save it with its tokenizer and card."""
    recipe = recipe or speech_training.Recipe()
    began = time.monotonic()
    model = speech_training.new_model(seed=recipe.seed)
    with progress.shown("Training the speech model", console=console) as step:
        speech_training.train(model, recipe=recipe, progress=step)
    minutes = (time.monotonic() - began) / 60
    model.save_pretrained(directory)
    speech_training.new_tokenizer().save_pretrained(directory)
    console.print("Measuring the speech model")
    dialled = speech_evaluation.score(directory, count=50, seed=7)
    card = cards.speech(
        recipe=recipe, dialled=dialled, weights=model.num_parameters(), minutes=minutes
    )
    (directory / "README.md").write_text(card, encoding="utf-8")
