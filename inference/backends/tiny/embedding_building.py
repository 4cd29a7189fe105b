"""Makes the embedding checkpoint's directory: pairs, tokenizer, training, measurement, card."""

import time
from pathlib import Path

import rich.console

from inference.backends.tiny import (
    cards,
    embedding_evaluation,
    embedding_training,
    paraphrasing,
    progress,
)

_CARD_ROUNDS, _CARD_SEED = 10, 7


def build(
    directory: Path,
    *,
    console: rich.console.Console,
    recipe: embedding_training.Recipe | None = None,
) -> None:
    """Train the embedding model and save it with its tokenizer and card."""
    recipe = recipe or embedding_training.Recipe()
    began = time.monotonic()
    console.print(f"Generating {recipe.pairs} pairs of paraphrases")
    pairs = list(paraphrasing.training_pairs(recipe.pairs, seed=recipe.seed))
    tokenizer = embedding_training.train_tokenizer(
        text for pair in pairs for text in (pair.left, pair.right)
    )
    model = embedding_training.new_model(seed=recipe.seed, vocabulary=len(tokenizer))
    with progress.shown("Training the embedding model", console=console) as step:
        embedding_training.train(model, tokenizer, pairs, recipe=recipe, progress=step)
    minutes = (time.monotonic() - began) / 60
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    console.print("Measuring the embedding model on held-out texts")
    encoder = embedding_evaluation.Encoder(directory)
    retrieval = embedding_evaluation.score(encoder, rounds=_CARD_ROUNDS, seed=_CARD_SEED)
    card = cards.embedding(
        recipe=recipe,
        retrieval=retrieval,
        weights=model.num_parameters(),
        vocabulary=len(tokenizer),
        minutes=minutes,
    )
    (directory / "README.md").write_text(card, encoding="utf-8")
