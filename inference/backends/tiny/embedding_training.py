"""Builds the tiny BERT encoder and trains it so that texts of one meaning lie close together."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from inference.backends.tiny.optimizer import Optimizer
from inference.backends.tiny.paraphrasing import Pair

VOCABULARY = 2048
POSITIONS = 512
_SPECIAL = (_PAD, _UNKNOWN, _START, _END, _MASK) = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
_WITH_TYPES = ["input_ids", "token_type_ids", "attention_mask"]
_TEMPERATURE = 0.05  # of the similarities in the loss

Progress = Callable[[int, int, float], None]  # step, steps, loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training is made of; the shipped checkpoint's is the default."""

    seed: int = 20
    pairs: int = 12_000
    batch_pairs: int = 128
    matrix_rate: float = 0.01
    other_rate: float = 0.003


def train_tokenizer(
    texts: Iterable[str], *, tells_types: bool = False
) -> transformers.PreTrainedTokenizerFast:
    """Return a lower-casing WordPiece tokenizer with BERT's special tokens.

    With ``tells_types`` it says of each token which text of a pair it is of.
    """
    raw = _reader(models.WordPiece(_vocabulary(list(texts)), unk_token=_UNKNOWN))
    raw.add_special_tokens(list(_SPECIAL))
    raw.decoder = decoders.WordPiece()
    marks = [(token, raw.token_to_id(token)) for token in (_START, _END)]
    raw.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}", pair=f"{_START} $A {_END} $B:1 {_END}:1", special_tokens=marks
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        cls_token=_START,
        sep_token=_END,
        mask_token=_MASK,
        model_max_length=POSITIONS,
        **({"model_input_names": _WITH_TYPES} if tells_types else {}),
    )


def _reader(model: models.Model) -> tokenizers.Tokenizer:
    """Return a tokenizer that splits lower-cased texts as BERT's does."""
    reader = tokenizers.Tokenizer(model)
    reader.normalizer = normalizers.BertNormalizer(lowercase=True)
    reader.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return reader


def _vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """Return the tokens that the library's trainer finds, by their numbers; the same every time.

    The trainer breaks ties by its numbers, and numbers what continues a word in the order of a
    hash table whose seed is random. Named beforehand, each has the same number in every run.
    """
    scratch = _reader(models.WordPiece(unk_token=_UNKNOWN))
    characters = sorted({c for text in texts for c in scratch.normalizer.normalize_str(text)})
    continuing = [f"##{character}" for character in characters if not character.isspace()]
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=[*_SPECIAL, *continuing], show_progress=False
    )
    scratch.train_from_iterator(texts, trainer=trainer)
    return scratch.get_vocab()


def new_model(*, seed: int, vocabulary: int) -> transformers.BertModel:
    """Return an untrained encoder of 0.7 million weights."""
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        attn_implementation="sdpa",
    )
    return transformers.BertModel(config, add_pooling_layer=False)


def train(
    model: transformers.BertModel,
    tokenizer: transformers.PreTrainedTokenizerFast,
    pairs: Sequence[Pair],
    *,
    recipe: Recipe,
    progress: Progress,
) -> None:
    """Run one pass; every other pair of a batch serves as a counterexample."""
    rng = random.Random(recipe.seed)  # noqa: S311 - reproducible order, not a secret
    order = list(pairs)
    rng.shuffle(order)
    optimizer = Optimizer(model, matrix_rate=recipe.matrix_rate, other_rate=recipe.other_rate)
    steps = len(order) // recipe.batch_pairs
    model.train()
    for step in range(steps):
        part = order[step * recipe.batch_pairs : (step + 1) * recipe.batch_pairs]
        shift = rng.choice((0, rng.randrange(POSITIONS)))
        loss = _loss(model, tokenizer, part, shift=shift)
        loss.backward()
        optimizer.step(min(1.0, (step + 1) / 20) * max(1 - step / steps, 0.01))
        progress(step + 1, steps, loss.item())
    model.eval()


def embed(
    model: transformers.BertModel,
    tokenizer: transformers.PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    shift: int = 0,
) -> torch.Tensor:
    """Return unit vectors, float32, [texts, 128]: the mean over each text's tokens.

    `shift` moves the first position; training draws it at random, so that all 512 positions learn
    though its texts are short.
    """
    batch = tokenizer(
        list(texts), return_tensors="pt", padding=True, truncation=True, max_length=POSITIONS
    )
    length = batch["input_ids"].shape[1]
    shift = min(shift, POSITIONS - length)
    positions = torch.arange(shift, shift + length).unsqueeze(0)
    hidden = model(**batch, position_ids=positions).last_hidden_state
    weight = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weight).sum(1) / weight.sum(1)
    return torch.nn.functional.normalize(mean.float(), dim=-1)


def _loss(
    model: transformers.BertModel,
    tokenizer: transformers.PreTrainedTokenizerFast,
    pairs: Sequence[Pair],
    *,
    shift: int,
) -> torch.Tensor:
    left = embed(model, tokenizer, [pair.left for pair in pairs], shift=shift)
    right = embed(model, tokenizer, [pair.right for pair in pairs])
    similar = left @ right.mT / _TEMPERATURE
    own = torch.arange(len(pairs))
    forward = torch.nn.functional.cross_entropy(similar, own)
    return (forward + torch.nn.functional.cross_entropy(similar.mT, own)) / 2
