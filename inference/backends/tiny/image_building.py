"""Makes the directories of the two tiny pipelines for pictures: SDXL's architecture, and Flux's."""

from pathlib import Path

import diffusers
import torch
import transformers

from inference.backends.tiny import diffusion_cards, diffusion_parts
from inference.backends.tiny.diffusion_parts import WIDTH

SDXL_SEED, FLUX_SEED = 101, 102


def build_sdxl(directory: Path) -> None:
    """Save a Stable Diffusion XL of a few hundred thousand random weights, with its card."""
    torch.manual_seed(SDXL_SEED)
    tokenizer = diffusion_parts.clip_tokenizer()
    second = transformers.CLIPTextModelWithProjection
    unet = diffusers.UNet2DConditionModel(
        sample_size=128,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        cross_attention_dim=2 * WIDTH,  # both text encoders, side by side
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=WIDTH + 6 * 8,  # pooled text, six numbers of sizes
        norm_num_groups=8,
    )
    diffusion_parts.louder(unet, "attn2.to_out", factor=32)
    diffusion_parts.louder(unet, "add_embedding", factor=4)
    pipe = diffusers.StableDiffusionXLPipeline(
        vae=diffusion_parts.picture_vae(scaling_factor=0.13025),
        text_encoder=diffusion_parts.clip_encoder(tokenizer=tokenizer),
        text_encoder_2=diffusion_parts.clip_encoder(second, tokenizer=tokenizer),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=diffusers.EulerAncestralDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="trailing",
        ),
        add_watermarker=False,
    )
    diffusion_cards.save(
        pipe, directory, makes="image", seed=SDXL_SEED, real="stabilityai/sdxl-turbo"
    )


def build_flux(directory: Path) -> None:
    """Save a Flux of a few hundred thousand random weights, with its card."""
    torch.manual_seed(FLUX_SEED)
    tokenizer, second = diffusion_parts.clip_tokenizer(), diffusion_parts.t5_tokenizer()
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,  # latents of four numbers, two by two
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
    )
    diffusion_parts.louder(transformer, "time_text_embed.text_embedder", factor=4)
    diffusion_parts.louder(transformer, "context_embedder", factor=4)
    vae = diffusion_parts.picture_vae(
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    pipe = diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=diffusion_parts.clip_encoder(tokenizer=tokenizer),
        text_encoder_2=diffusion_parts.t5_encoder(second),
        tokenizer=tokenizer,
        tokenizer_2=second,
        transformer=transformer,
    )
    diffusion_cards.save(
        pipe, directory, makes="image", seed=FLUX_SEED, real="black-forest-labs/FLUX.1-schnell"
    )
