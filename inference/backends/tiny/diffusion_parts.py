"""The parts that the tiny pipelines are made of: tokenizers, text encoders, the pictures' VAE.

They are real parts of the usual classes, with the fewest and narrowest layers that still run, and
random weights: what they draw is noise that depends on the prompt, the seed and nothing else.
"""

from typing import Any

import diffusers
import torch
import transformers
from tokenizers import pre_tokenizers

WIDTH = 32  # of the text encoders

_CLIP_TOKENS = 77  # what the pipelines' text encoder takes
_T5_TOKENS = 128
_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"


def clip_tokenizer() -> transformers.CLIPTokenizer:
    """Return CLIP's tokenizer with single bytes as its vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), _BEGIN, _END]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=_CLIP_TOKENS)


def t5_tokenizer() -> transformers.T5Tokenizer:
    """Return T5's tokenizer with the letters of European scripts as its vocabulary."""
    letters = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0x180))]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [(letter, -3.0) for letter in letters]
    return transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=_T5_TOKENS)


def clip_encoder(
    model_class: Any = transformers.CLIPTextModel, *, tokenizer: transformers.CLIPTokenizer
) -> Any:
    """Return a text encoder of CLIP's architecture."""
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=_CLIP_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = model_class(config)
    louder(encoder, "token_embedding", factor=8)
    return encoder


def t5_encoder(tokenizer: transformers.T5Tokenizer, *, many_languages: bool = False) -> Any:
    """Return a text encoder of T5's architecture, or of UMT5's."""
    kind = "UMT5" if many_languages else "T5"
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=8,
        d_ff=2 * WIDTH,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return getattr(transformers, f"{kind}EncoderModel")(config)


def picture_vae(**settings: Any) -> diffusers.AutoencoderKL:
    """Return a VAE of pictures: a latent of four numbers for 8 by 8 pixels."""
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=1024,
        force_upcast=False,
        **settings,
    )


def louder(model: torch.nn.Module, name: str, *, factor: float) -> None:
    """Multiply the weights whose name contains this.

    Freshly drawn, a prompt hardly shows: its attention adds little to what passes by it.
    """
    found = [weight for key, weight in model.named_parameters() if name in key]
    if not found:
        raise ValueError(f"no weight of {type(model).__name__} has {name} in its name")
    with torch.no_grad():
        for weight in found:
            weight.mul_(factor)
