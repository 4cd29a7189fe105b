"""Builds tiny checkpoints with random weights, in the standard format, for tests of the backends."""

from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from inference.backends.tiny import build
from inference.specs import MediaSpec, ModelSpec, Price, Unit
from inference.types import Modality

CORPUS = [
    "hello world, the quick brown fox jumps over the lazy dog.",
    "one two three four five six seven eight nine ten",
    "naïve café über größe 日本語 🙂 👩‍🔬 emoji",
    "the capital of France is Paris; the capital of Italy is Rome.",
]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_chat_checkpoint(directory: Path, *, hidden: int = 32, layers: int = 2) -> Path:
    """Save a Qwen3 of a few thousand parameters with a byte-level tokenizer."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(directory)
    torch.manual_seed(1)
    config = transformers.Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=1024,
        initializer_range=0.4,  # large, so that logits differ and greedy text is not one token
        eos_token_id=fast.eos_token_id,
        tie_word_embeddings=True,
    )
    transformers.Qwen3ForCausalLM(config).save_pretrained(directory)
    return directory


def build_embedding_checkpoint(directory: Path) -> Path:
    """Save a Bert of a few thousand parameters with a word-piece tokenizer."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")
    fast.save_pretrained(directory)
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    transformers.BertModel(config).save_pretrained(directory)
    return directory


def chat_spec(source: Path, **changes: object) -> ModelSpec:
    """Return a registry entry for a chat checkpoint."""
    values: dict[str, object] = {
        "id": "tiny",
        "modality": Modality.CHAT,
        "backend": "transformers",
        "source": str(source),
        "context_tokens": 512,
        "max_output_tokens": 256,
        "default_max_tokens": 32,
        "price": PRICE,
        "max_batch": 16,
        "options": {"device": "cpu"},
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def embedding_spec(source: Path, **changes: object) -> ModelSpec:
    """Return a registry entry for an embedding checkpoint."""
    values: dict[str, object] = {
        "id": "tiny-embedding",
        "modality": Modality.EMBEDDING,
        "backend": "transformers",
        "source": str(source),
        "context_tokens": 64,
        "price": PRICE,
        "max_batch": 16,
        "options": {"device": "cpu"},
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def rerank_spec(source: Path | None = None, **changes: object) -> ModelSpec:
    """Return a registry entry for the shipped reranking checkpoint, or another."""
    values: dict[str, object] = {
        "id": "tiny-rerank",
        "modality": Modality.RERANK,
        "backend": "transformers",
        "source": str(source or build.CHECKPOINTS / build.RERANK),
        "context_tokens": 256,
        "price": PRICE,
        "max_batch": 16,
        "options": {"device": "cpu"},
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def speech_spec(source: Path | None = None, **changes: object) -> ModelSpec:
    """Return a registry entry for the shipped speech checkpoint, or another."""
    values: dict[str, object] = {
        "id": "tiny-speech",
        "modality": Modality.AUDIO,
        "backend": "transformers",
        "source": str(source or build.CHECKPOINTS / build.SPEECH),
        "price": Price(version="test", rates={Unit.THOUSAND_CHARACTERS: 1}),
        "media": MediaSpec(max_characters=500, voices=("alloy", "ash", "verse")),
        "options": {"device": "cpu"},
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def transcription_spec(source: Path | None = None, **changes: object) -> ModelSpec:
    """Return a registry entry for the shipped transcription checkpoint, or another."""
    values: dict[str, object] = {
        "id": "tiny-transcription",
        "modality": Modality.AUDIO,
        "backend": "transformers",
        "source": str(source or build.CHECKPOINTS / build.TRANSCRIPTION),
        "price": Price(version="test", rates={Unit.MINUTE: 1}),
        "media": MediaSpec(max_seconds=60),
        "options": {"device": "cpu"},
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


PRICE = Price(version="test", rates={Unit.PROMPT: 1, Unit.COMPLETION: 1})
