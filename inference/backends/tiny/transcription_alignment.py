"""Finds the heads of a trained Whisper that look at the sound of what they write."""

import random
from typing import Any

import numpy as np
import torch

from inference.backends.tiny import tones, transcription_training

_RECORDINGS = 32
_HEADS = 2


def heads(model: Any, tokenizer: Any, *, seed: int) -> list[list[int]]:
    """Return [layer, head] of those whose attention lies nearest to each key while it is written."""
    rng = random.Random(f"alignment {seed}")  # noqa: S311 - so that a seed says it all
    batch = [
        tones.dialling(
            rng,
            most_s=transcription_training.WINDOW_S,
            most_keys=transcription_training.MOST_KEYS,
        )
        for _ in range(_RECORDINGS)
    ]
    attention = model.config._attn_implementation  # noqa: SLF001 - has no other name
    model.set_attn_implementation("eager")  # the others do not tell where they look
    share = sum(_share(model, tokenizer, dialling) for dialling in batch)
    model.set_attn_implementation(attention)
    best = torch.topk(share.flatten(), _HEADS).indices.tolist()
    return [list(divmod(number, share.shape[1])) for number in best]


def _share(model: Any, tokenizer: Any, dialling: tones.Dialling) -> torch.Tensor:
    """Return how much each head looks at each key's own time, in all. [layers, heads]."""
    number = tokenizer.convert_tokens_to_ids
    head = [number(text) for text in ("<|startoftranscript|>", "<|en|>", "<|transcribe|>")]
    ids = [*head, *transcription_training.answer_of(dialling, tokenizer)]
    heard = transcription_training.new_features()([dialling.samples], sampling_rate=tones.RATE)
    with torch.inference_mode():
        outputs = model(
            input_features=torch.from_numpy(np.array(heard.input_features)),
            decoder_input_ids=torch.tensor([ids]),
            output_attentions=True,
        )
    weights = torch.stack(outputs.cross_attentions)[:, 0]  # layers, heads, tokens, positions
    total = torch.zeros(weights.shape[:2])
    for index, press in enumerate(dialling.presses):
        row = len(head) + 3 * index  # the mark before the key: there the key is predicted
        start, end = int(press.start_s * 50), int(press.end_s * 50) + 1
        total += weights[:, :, row, start:end].sum(-1)
    return total
