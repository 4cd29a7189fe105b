"""Makes the chat checkpoint's directory: data, tokenizer, training, measurement, card."""

import time
from pathlib import Path

import rich.console
import torch
import transformers

from inference.backends.tiny import (
    cards,
    chat_evaluation,
    chat_tokenizer,
    chat_training,
    mixture,
    progress,
)
from inference.backends.tiny.dialogue import Kind

_TOKENIZER_DIALOGUES = 20_000
_CARD_COUNT, _CARD_SEED = 200, 7


def build(
    directory: Path,
    *,
    console: rich.console.Console,
    recipe: chat_training.Recipe | None = None,
) -> None:
    """Train the chat model and save it with its tokenizer and card."""
    recipe = recipe or chat_training.Recipe()
    began = time.monotonic()
    console.print(f"Generating {recipe.dialogues} dialogues")
    dialogues = list(mixture.training_dialogues(recipe.dialogues, seed=recipe.seed))
    tokenizer = chat_tokenizer.train(dialogues[:_TOKENIZER_DIALOGUES])
    examples = chat_tokenizer.encode(tokenizer, dialogues)
    model = chat_training.new_model(
        seed=recipe.seed,
        end=tokenizer.convert_tokens_to_ids(chat_tokenizer.END),
        pad=tokenizer.convert_tokens_to_ids(chat_tokenizer.END_OF_TEXT),
        vocabulary=len(tokenizer),
    )
    with progress.shown("Training the chat model", console=console) as step:
        chat_training.train(model, examples, recipe=recipe, progress=step)
    minutes = (time.monotonic() - began) / 60
    _save(model, tokenizer, directory)
    console.print("Measuring the chat model on held-out prompts")
    examinee = chat_evaluation.Examinee(directory)
    scores = [
        chat_evaluation.score(examinee, kind, count=_CARD_COUNT, seed=_CARD_SEED) for kind in Kind
    ]
    tokens = sum(len(example.ids) for example in examples)
    card = cards.chat(recipe=recipe, scores=scores, tokens=tokens, minutes=minutes)
    (directory / "README.md").write_text(card, encoding="utf-8")


def _save(
    model: transformers.Qwen3ForCausalLM,
    tokenizer: transformers.PreTrainedTokenizerFast,
    directory: Path,
) -> None:
    model.to(torch.bfloat16)
    model.generation_config.update(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=512,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
