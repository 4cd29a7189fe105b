"""Models of real sizes with random weights, for measurements: nothing is downloaded.

A step of a model takes as long whatever its weights are. They are drawn on the device itself, in the
format in which they run, since drawing billions of numbers on a processor takes minutes.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers

from inference.backends import pipelines
from inference.backends.tiny import diffusion_parts
from tests.integration.inference import builders

QWEN_VOCABULARY = 151_936


@contextlib.contextmanager
def drawn_on(device: str, dtype: torch.dtype = torch.bfloat16) -> Iterator[None]:
    """Let every weight that is made meanwhile be made there, in this format."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(before)


def save_qwen(directory: Path, *, device: str, **changes: Any) -> Path:
    """Save a chat checkpoint of Qwen3-0.6B's size; `changes` are of its configuration."""
    fast = _byte_tokenizer(changes.get("vocab_size", QWEN_VOCABULARY))
    fast.save_pretrained(directory)
    with drawn_on(device):
        model = transformers.Qwen3ForCausalLM(qwen_config(fast.eos_token_id, **changes))
    model.save_pretrained(directory)
    return directory


def qwen_config(eos_token_id: int | None = None, **changes: Any) -> transformers.Qwen3Config:
    """Return the configuration of Qwen3-0.6B."""
    values: dict[str, Any] = {
        "vocab_size": QWEN_VOCABULARY, "hidden_size": 1024, "intermediate_size": 3072,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "max_position_embeddings": 40_960, "tie_word_embeddings": True,
        "eos_token_id": eos_token_id,
    }  # fmt: skip
    return transformers.Qwen3Config(**{**values, **changes})


def sdxl() -> Any:
    """Return a pipeline of Stable Diffusion XL's size."""
    tokenizer = diffusion_parts.clip_tokenizer()
    second = _clip(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32,
                   num_attention_heads=20, projection_dim=1280, tokenizer=tokenizer)  # fmt: skip
    return _quiet(
        diffusers.StableDiffusionXLPipeline(
            vae=_picture_vae(latent_channels=4, scaling_factor=0.13025, force_upcast=False),
            text_encoder=transformers.CLIPTextModel(_clip_large(tokenizer)),
            text_encoder_2=transformers.CLIPTextModelWithProjection(second),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=sdxl_unet(),
            scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="trailing"),
            add_watermarker=False,
        )
    )


def sdxl_unet() -> Any:
    """Return the part of Stable Diffusion XL that takes the steps."""
    return diffusers.UNet2DConditionModel(
        sample_size=128, block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
    )  # fmt: skip


def flux() -> Any:
    """Return a pipeline of FLUX.1 schnell's size."""
    tokenizer, second = diffusion_parts.clip_tokenizer(), diffusion_parts.t5_tokenizer()
    vae = _picture_vae(latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159,
                       use_quant_conv=False, use_post_quant_conv=False)  # fmt: skip
    return _quiet(
        diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=vae,
            text_encoder=transformers.CLIPTextModel(_clip_large(tokenizer)),
            text_encoder_2=transformers.T5EncoderModel(_t5(transformers.T5Config)),
            tokenizer=tokenizer,
            tokenizer_2=second,
            transformer=flux_transformer(),
        )
    )


def flux_transformer() -> Any:
    """Return the part of Flux that takes the steps."""
    return diffusers.FluxTransformer2DModel()  # its defaults are FLUX.1's


def wan() -> Any:
    """Return a pipeline of Wan 2.1 T2V 1.3B's size."""
    return _quiet(
        diffusers.WanPipeline(
            transformer=wan_transformer(),
            vae=diffusers.AutoencoderKLWan(),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            text_encoder=transformers.UMT5EncoderModel(
                _t5(transformers.UMT5Config, vocab_size=256_384)
            ),
            tokenizer=diffusion_parts.t5_tokenizer(),
        )
    )


def wan_transformer() -> Any:
    """Return the part of Wan that takes the steps."""
    return diffusers.WanTransformer3DModel(
        num_attention_heads=12, attention_head_dim=128, ffn_dim=8960, num_layers=30
    )


def ltx() -> Any:
    """Return a pipeline of LTX-Video 2B's size."""
    return _quiet(
        diffusers.LTXPipeline(
            transformer=ltx_transformer(),
            vae=diffusers.AutoencoderKLLTXVideo(),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            text_encoder=transformers.T5EncoderModel(_t5(transformers.T5Config)),
            tokenizer=diffusion_parts.t5_tokenizer(),
        )
    )


def ltx_transformer() -> Any:
    """Return the part of LTX-Video that takes the steps."""
    return diffusers.LTXVideoTransformer3DModel()  # its defaults are 0.9's


def _picture_vae(**settings: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=1024,
        **settings,
    )


def _clip(*, tokenizer: Any, **settings: Any) -> Any:
    return transformers.CLIPTextConfig(
        vocab_size=49_408,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **settings,
    )


def _clip_large(tokenizer: Any) -> Any:
    return _clip(hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                 num_attention_heads=12, projection_dim=768, tokenizer=tokenizer)  # fmt: skip


def _t5(config_class: Any, *, vocab_size: int = 32_128) -> Any:
    return config_class(
        vocab_size=vocab_size, d_model=4096, d_kv=64, d_ff=10_240, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip


def _quiet(pipe: Any) -> Any:
    """Return the pipeline, without bars, in a mode to run, its numbers too small to overflow."""
    pipelines.be_quiet()
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(requires_grad=False)
            for weight in part.parameters():
                weight.mul_(0.5)
    return pipe


def _byte_tokenizer(size: int) -> transformers.PreTrainedTokenizerFast:
    """Return a tokenizer with so many pieces: bytes, and filler that no text becomes."""
    pieces = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pieces += sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces += [f"w{number}" for number in range(size - len(pieces))]
    raw = tokenizers.Tokenizer(
        models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    )
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = builders.CHAT_TEMPLATE
    return fast
