"""Makes the directories of the two tiny pipelines for videos: Wan's architecture, and LTX's."""

from pathlib import Path
from typing import Any

import diffusers
import torch

from inference.backends.tiny import diffusion_cards, diffusion_parts
from inference.backends.tiny.diffusion_parts import WIDTH

WAN_SEED, LTX_SEED = 103, 104
TRANSITIONS = "transitions"  # the directory under Wan's own of what it starts from pictures with

_WAN_LATENTS = 16  # numbers of one latent
_WAN_FRAMES = 4  # frames of one latent


def build_wan(directory: Path) -> None:
    """Save a Wan of a few hundred thousand random weights, with its card.

    Like the real ones it has a transformer for prompts and another for pictures, which share the
    rest: the second lies in a directory under the first's.
    """
    torch.manual_seed(WAN_SEED)
    tokenizer = diffusion_parts.t5_tokenizer()
    pipe = diffusers.WanPipeline(
        transformer=_wan_transformer(_WAN_LATENTS),
        vae=_wan_vae(),
        scheduler=_wan_scheduler(),
        text_encoder=diffusion_parts.t5_encoder(tokenizer, many_languages=True),
        tokenizer=tokenizer,
    )
    # Noise, the pictures' latents, and which frames they are.
    transformer = _wan_transformer(_WAN_LATENTS * 2 + _WAN_FRAMES)
    from_pictures = diffusers.WanImageToVideoPipeline(
        transformer=transformer,
        vae=pipe.vae,
        scheduler=_wan_scheduler(),
        text_encoder=pipe.text_encoder,
        tokenizer=tokenizer,
    )
    diffusion_cards.save(
        pipe, directory, makes="video", seed=WAN_SEED, real="Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
    )
    below = directory / TRANSITIONS
    from_pictures.save_config(below)
    from_pictures.scheduler.save_pretrained(below / "scheduler")
    transformer.to(torch.bfloat16).save_pretrained(below / "transformer")


def build_ltx(directory: Path) -> None:
    """Save an LTX-Video of a few hundred thousand random weights, with its card."""
    torch.manual_seed(LTX_SEED)
    tokenizer = diffusion_parts.t5_tokenizer()
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=16,
        out_channels=16,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=WIDTH,
        num_layers=2,
        caption_channels=WIDTH,
    )
    vae = diffusers.AutoencoderKLLTXVideo(
        latent_channels=16,
        block_out_channels=(8, 8, 16, 16),
        decoder_block_out_channels=(8, 8, 16, 16),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
    )
    pipe = diffusers.LTXConditionPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=diffusion_parts.t5_encoder(tokenizer),
        tokenizer=tokenizer,
        transformer=transformer,
    )
    diffusion_cards.save(
        pipe, directory, makes="video", seed=LTX_SEED, real="Lightricks/LTX-Video-0.9.5"
    )


def _wan_transformer(channels: int) -> Any:
    transformer = diffusers.WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=_WAN_LATENTS,
        text_dim=WIDTH,
        freq_dim=32,
        ffn_dim=64,
        num_layers=2,
    )
    diffusion_parts.louder(transformer, "text_embedder", factor=4)
    diffusion_parts.louder(transformer, "attn2.to_out", factor=8)
    return transformer


def _wan_vae() -> Any:
    """Return a VAE that takes pixels two by two, as Wan 2.2's does: a quarter of the work."""
    vae = diffusers.AutoencoderKLWan(
        base_dim=4,
        z_dim=_WAN_LATENTS,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],  # diffusers' spelling
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        scale_factor_temporal=_WAN_FRAMES,
    )
    diffusion_parts.louder(vae, "encoder.down_blocks", factor=2)  # so that a caller's pictures show
    diffusion_parts.louder(vae, "encoder.conv_out", factor=64)
    return vae


def _wan_scheduler() -> Any:
    return diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        num_train_timesteps=1000,
        flow_shift=3.0,
    )
