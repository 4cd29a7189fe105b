"""Builds the tiny Whisper and trains it to write telephone tones down.

While it trains, a throwaway layer on the encoder also names the key of each position. Without it
the decoder learns when tones are but, for thousands of steps, not which: it has to find the right
place and the right content at once.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import pre_tokenizers
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from inference.backends.tiny import tones
from inference.backends.tiny.optimizer import Optimizer

WINDOW_S = 5
MOST_KEYS = 12
_MARKS_A_SECOND = 50  # as Whisper's: one every 20 ms, one for each position of the encoder
_MOST_TOKENS = 128  # of prompt and answer
_END, _START, _ENGLISH, _TASK, _PROMPT = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|startofprev|>",
)  # fmt: skip
# In Whisper's order, on which its own code relies.
_CONTROL = (
    _START, *(f"<|{code}|>" for code in LANGUAGES), "<|translate|>", _TASK, "<|startoflm|>", _PROMPT,
    "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
_OTHER = 0.15  # share of recordings in another language, and with a prompt
_IGNORED = -100  # a label that counts for nothing
_SILENCE = len(tones.KEYS)  # the label of positions without a tone
_SILENCE_WEIGHT = 0.2  # most positions are silent

Progress = Callable[[int, int, float], None]  # step, steps, loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training is made of; the shipped checkpoint's is the default."""

    seed: int = 41
    steps: int = 900
    batch: int = 16
    matrix_rate: float = 0.02
    other_rate: float = 0.004
    guide_rate: float = 0.01


def new_tokenizer() -> transformers.WhisperTokenizer:
    """Return a byte-level tokenizer with one token for each key, and Whisper's control tokens."""
    pieces = [
        *sorted(pre_tokenizers.ByteLevel.alphabet()),
        *(f"Ġ{key}" for key in tones.KEYS),
        _END,
    ]
    tokenizer = transformers.WhisperTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=[("Ġ", key) for key in tones.KEYS],
    )
    tokenizer.add_tokens([_added(text, special=True) for text in _CONTROL], special_tokens=True)
    marks = [number / _MARKS_A_SECOND for number in range(WINDOW_S * _MARKS_A_SECOND + 1)]
    tokenizer.add_tokens([_added(f"<|{mark:.2f}|>", special=False) for mark in marks])
    return tokenizer


def new_features() -> transformers.WhisperFeatureExtractor:
    """Return Whisper's own features, for shorter windows."""
    return transformers.WhisperFeatureExtractor(chunk_length=WINDOW_S)


def new_model(tokenizer: Any, *, seed: int) -> transformers.WhisperForConditionalGeneration:
    """Return an untrained model of 0.3 million weights, its marks set to the places they mean."""
    torch.manual_seed(seed)
    end = tokenizer.convert_tokens_to_ids(_END)
    model = transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=64,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=256,
            decoder_ffn_dim=256,
            max_source_positions=WINDOW_S * _MARKS_A_SECOND,
            max_target_positions=_MOST_TOKENS,
            dropout=0.0,
            pad_token_id=end,
            bos_token_id=end,
            eos_token_id=end,
            decoder_start_token_id=tokenizer.convert_tokens_to_ids(_START),
            begin_suppress_tokens=None,
        )
    )
    with torch.no_grad():  # so that marks that are near in time begin near each other
        places = model.model.encoder.embed_positions.weight
        first = tokenizer.convert_tokens_to_ids("<|0.00|>")
        model.model.decoder.embed_tokens.weight[first : first + len(places)] = places * 0.2
    return model


def settings_of_generation(tokenizer: Any) -> transformers.GenerationConfig:
    """Return what Whisper's checkpoints say about their tokens."""
    number = tokenizer.convert_tokens_to_ids
    return transformers.GenerationConfig(
        decoder_start_token_id=number(_START),
        eos_token_id=number(_END),
        pad_token_id=number(_END),
        bos_token_id=number(_END),
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={"transcribe": number(_TASK), "translate": number("<|translate|>")},
        no_timestamps_token_id=number("<|notimestamps|>"),
        prev_sot_token_id=number(_PROMPT),
        max_initial_timestamp_index=None,
        suppress_tokens=[number(text) for text in _CONTROL],
        return_timestamps=True,
        max_length=_MOST_TOKENS,
    )


def train(
    model: transformers.WhisperForConditionalGeneration,
    tokenizer: Any,
    *,
    recipe: Recipe,
    progress: Progress,
) -> None:
    """Train in place, on ever longer recordings; no two are the same."""
    rng = random.Random(recipe.seed)  # noqa: S311 - so that a seed says it all
    features = new_features()
    optimizer = Optimizer(model, matrix_rate=recipe.matrix_rate, other_rate=recipe.other_rate)
    guide = torch.nn.Linear(model.config.d_model, _SILENCE + 1)
    guiding = torch.optim.AdamW(guide.parameters(), lr=recipe.guide_rate)
    model.train()
    for step in range(recipe.steps):
        share = step / recipe.steps
        keys = min(MOST_KEYS, 2 + int(share * 2 * MOST_KEYS))
        batch = [tones.dialling(rng, most_s=WINDOW_S, most_keys=keys) for _ in range(recipe.batch)]
        tokens = _tokens(rng, batch, tokenizer)
        loss = _loss(model, guide, batch, tokens=tokens, features=features)
        loss.backward()
        guiding.step()
        guiding.zero_grad()
        optimizer.step(min(1.0, (step + 1) / 30) * max(1 - share, 0.02))
        progress(step + 1, recipe.steps, loss.item())
    model.eval()


def answer_of(dialling: tones.Dialling, tokenizer: Any) -> list[int]:
    """Return the tokens that should be written for a recording: each key between two marks.

    Where there is no key, a lone mark: Whisper's rules want one before anything else.
    """
    number = tokenizer.convert_tokens_to_ids
    first = number("<|0.00|>")
    ids: list[int] = [] if dialling.presses else [first]
    for press in dialling.presses:
        start, end = (
            first + min(round(time * _MARKS_A_SECOND), WINDOW_S * _MARKS_A_SECOND)
            for time in (press.start_s, press.end_s)
        )
        ids += [start, number(f"Ġ{press.key}"), end]
    return ids


def _loss(
    model: Any,
    guide: torch.nn.Linear,
    batch: Sequence[tones.Dialling],
    *,
    tokens: tuple[torch.Tensor, torch.Tensor],
    features: Any,
) -> torch.Tensor:
    given, wanted = tokens
    heard = features([item.samples for item in batch], sampling_rate=tones.RATE)
    outputs = model(
        input_features=torch.from_numpy(np.array(heard.input_features)),
        decoder_input_ids=given,
        use_cache=False,
    )
    written = torch.nn.functional.cross_entropy(
        outputs.logits.flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED
    )
    named = torch.nn.functional.cross_entropy(
        guide(outputs.encoder_last_hidden_state).flatten(0, 1),
        torch.stack([_keys_by_position(item) for item in batch]).flatten(),
        weight=torch.tensor([1.0] * _SILENCE + [_SILENCE_WEIGHT]),
    )
    return written + named


def _tokens(
    rng: random.Random, batch: Sequence[tones.Dialling], tokenizer: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the decoder is given, and what it should write next. [recordings, tokens]."""
    number = tokenizer.convert_tokens_to_ids
    heads = [_head(rng, tokenizer) for _ in batch]
    answers = [answer_of(dialling, tokenizer) for dialling in batch]
    longest = max(len(head) + len(answer) for head, answer in zip(heads, answers, strict=True))
    given = torch.full((len(batch), longest), number(_END))
    wanted = torch.full((len(batch), longest), _IGNORED)
    for row, (head, answer) in enumerate(zip(heads, answers, strict=True)):
        ids = [*head, *answer]
        given[row, : len(ids)] = torch.tensor(ids)
        wanted[row, len(head) - 1 : len(ids)] = torch.tensor([*answer, number(_END)])
        if ids[0] == number(_START):  # the language that is found where none is asked for
            wanted[row, 0] = number(_ENGLISH)
    return given, wanted


def _head(rng: random.Random, tokenizer: Any) -> list[int]:
    """Return what comes before an answer: mostly English, now and then another language or a prompt.

    Neither changes which keys there are, and that is to be learnt.
    """
    number = tokenizer.convert_tokens_to_ids
    language = rng.choice(list(LANGUAGES)) if rng.random() < _OTHER else "en"
    head = [number(_START), number(f"<|{language}|>"), number(_TASK)]
    if rng.random() >= _OTHER:
        return head
    words = [rng.randrange(number(_END)) for _ in range(rng.randint(1, 12))]
    return [number(_PROMPT), *words, *head]


def _keys_by_position(dialling: tones.Dialling) -> torch.Tensor:
    labels = torch.full((WINDOW_S * _MARKS_A_SECOND,), _SILENCE)
    for press in dialling.presses:
        start, end = (round(time * _MARKS_A_SECOND) for time in (press.start_s, press.end_s))
        labels[start:end] = tones.KEYS.index(press.key)
    return labels


def _added(text: str, *, special: bool) -> transformers.AddedToken:
    return transformers.AddedToken(text, special=special, normalized=False)
