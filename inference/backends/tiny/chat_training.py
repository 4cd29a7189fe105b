"""Builds the tiny Qwen3 and trains it on dialogues, the loss on the assistant's tokens only."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import transformers

from inference.backends.tiny.chat_tokenizer import CONTEXT_TOKENS, Encoded
from inference.backends.tiny.optimizer import Optimizer

Progress = Callable[[int, int, float], None]  # step, steps, loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training is made of; the shipped checkpoint's is the default."""

    seed: int = 20
    dialogues: int = 160_000
    batch_tokens: int = 2_000  # padding included
    matrix_rate: float = 0.02
    other_rate: float = 0.005
    warm_up: float = 0.02  # of the steps
    cool_down: float = 0.7  # of the steps, linear to almost nothing
    sharpness: float = 1.5  # a factor: see Note [Sharper logits]


# Note [Sharper logits]
# Sampling at temperature 1 draws now and then from the tail that a briefly trained model leaves.
# The final norm's weight scales all logits, so multiplying it once after training divides the
# temperature by that factor: greedy answers stay as they are, sampled ones come closer to them.


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded ids; `targets` is -100 where nothing is learned."""

    ids: torch.Tensor  # int64, [rows, tokens]
    targets: torch.Tensor  # int64, [rows, tokens], already shifted by one


def new_model(*, seed: int, end: int, pad: int, vocabulary: int) -> transformers.Qwen3ForCausalLM:
    """Return an untrained model of 1.77 million weights."""
    torch.manual_seed(seed)
    config = transformers.Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
        attn_implementation="sdpa",
    )
    return transformers.Qwen3ForCausalLM(config)


def train(
    model: transformers.Qwen3ForCausalLM,
    examples: Sequence[Encoded],
    *,
    recipe: Recipe,
    progress: Progress,
) -> None:
    """Run one pass over the examples, shortest and longest batches in a shuffled order."""
    batches = list(batched(examples, recipe=recipe, pad=model.config.pad_token_id))
    optimizer = Optimizer(
        model, matrix_rate=recipe.matrix_rate, other_rate=recipe.other_rate, decay=0.1
    )
    model.train()
    for step, batch in enumerate(batches):
        loss = _loss(model, batch)
        loss.backward()
        optimizer.step(_fraction(step / len(batches), recipe))
        progress(step + 1, len(batches), loss.item())
    model.eval()
    with torch.no_grad():
        model.model.norm.weight.mul_(recipe.sharpness)


def batched(examples: Sequence[Encoded], *, recipe: Recipe, pad: int) -> Iterator[Batch]:
    """Yield batches of examples of like length, each example once."""
    rng = random.Random(recipe.seed)  # noqa: S311 - reproducible order, not a secret
    order = sorted(range(len(examples)), key=lambda at: (len(examples[at].ids), rng.random()))
    bins: list[list[Encoded]] = [[]]
    for at in order:
        example = examples[at]
        if bins[-1] and (len(bins[-1]) + 1) * len(example.ids) > recipe.batch_tokens:
            bins.append([])
        bins[-1].append(example)
    rng.shuffle(bins)
    return (_padded(rows, pad) for rows in bins)


def _padded(rows: list[Encoded], pad: int) -> Batch:
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    targets = torch.full((len(rows), longest), -100)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = torch.tensor(row.ids)
        wanted = [
            token if learned else -100 for token, learned in zip(row.ids, row.learned, strict=True)
        ]
        targets[at, : len(row.ids) - 1] = torch.tensor(wanted[1:])
    return Batch(ids, targets)


def _loss(model: transformers.Qwen3ForCausalLM, batch: Batch) -> torch.Tensor:
    # Attention is causal and padding comes last, so no real token sees it: no mask is needed.
    hidden = model.model(batch.ids, use_cache=False).last_hidden_state
    learned = batch.targets != -100
    logits = model.lm_head(hidden[learned])
    return torch.nn.functional.cross_entropy(logits, batch.targets[learned])


def _fraction(done: float, recipe: Recipe) -> float:
    if done < recipe.warm_up:
        return max(done / recipe.warm_up, 0.02)
    return min(1.0, max((1 - done) / recipe.cool_down, 0.01))
