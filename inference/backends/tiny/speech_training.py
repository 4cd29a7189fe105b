"""Builds the tiny VITS and trains it to dial a text on a telephone's keys, letter by letter.

transformers cannot train VITS, and need not: here the model's own parts are run with known lengths,
and the sound is compared with the very samples it should have. That works because the decoder
repeats itself with each frame, so tones are chosen that do the same.
"""

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

from inference.backends.tiny import tones

VOICES = 11
_BLANK, _UNKNOWN = "<pad>", "<unk>"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHARACTERS = f" '0123456789*#{_LETTERS}"
# Source: ITU-T E.161, the letters on a telephone's keys.
_KEY_OF_LETTER = dict(zip(_LETTERS, "22233344455566677778889999", strict=True))
_RATES = (8, 8, 4, 2)  # by which the decoder widens time, step by step
FRAME = 512  # samples: their product
_BLANK_FRAMES, _TONE_FRAMES, _SPACE_FRAMES = 3, 5, 8
_TEXT_CHARACTERS = 12  # of a training text

Progress = Callable[[int, int, float], None]  # step, steps, loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training is made of; the shipped checkpoint's is the default."""

    seed: int = 31
    steps: int = 600
    rate: float = 0.003


def key_of(character: str) -> str | None:
    """Return the telephone key of a character; None is silence."""
    if character in tones.PITCHES:
        return character
    return _KEY_OF_LETTER.get(character)


def new_tokenizer() -> transformers.VitsTokenizer:
    """Return a tokenizer of characters, with a blank around each."""
    names = [_BLANK, *CHARACTERS, _UNKNOWN]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "vocab.json"
        path.write_text(json.dumps({name: number for number, name in enumerate(names)}))
        return transformers.VitsTokenizer(
            str(path), pad_token=_BLANK, unk_token=_UNKNOWN, phonemize=False
        )


def new_model(*, seed: int) -> transformers.VitsModel:
    """Return an untrained model of 0.3 million weights."""
    torch.manual_seed(seed)
    return transformers.VitsModel(
        transformers.VitsConfig(
            vocab_size=len(CHARACTERS) + 2,
            pad_token_id=0,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            ffn_dim=64,
            flow_size=32,
            spectrogram_bins=65,
            use_stochastic_duration_prediction=False,
            duration_predictor_filter_channels=32,
            num_speakers=VOICES,
            speaker_embedding_size=16,
            upsample_initial_channel=128,
            upsample_rates=list(_RATES),
            upsample_kernel_sizes=[2 * rate for rate in _RATES],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]],
            prior_encoder_num_flows=1,
            prior_encoder_num_wavenet_layers=1,
            posterior_encoder_num_wavenet_layers=1,
            sampling_rate=tones.RATE,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            activation_dropout=0.0,
            duration_predictor_dropout=0.0,
            layerdrop=0.0,
        )
    )


def train(model: transformers.VitsModel, *, recipe: Recipe, progress: Progress) -> None:
    """Train in place, on random texts in random voices."""
    rng = random.Random(recipe.seed)  # noqa: S311 - so that a seed says it all
    torch.manual_seed(recipe.seed)
    for unused in model.posterior_encoder.parameters():  # real voices are trained with it
        unused.requires_grad = False
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(recipe.steps):
        text = "".join(rng.choice(CHARACTERS) for _ in range(_TEXT_CHARACTERS))
        loss = _loss(model, text, voice=rng.randrange(VOICES))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        fraction = min(1.0, (step + 1) / 30) * max(1 - step / recipe.steps, 0.01)
        for settings in optimizer.param_groups:
            settings["lr"] = recipe.rate * fraction
        optimizer.step()
        optimizer.zero_grad()
        progress(step + 1, recipe.steps, loss.item())
    model.eval()


def _loss(model: transformers.VitsModel, text: str, *, voice: int) -> torch.Tensor:
    names = [_BLANK, *CHARACTERS]
    spoken = [_BLANK]
    for character in text:
        spoken += [character, _BLANK]
    ids = torch.tensor([[names.index(name) for name in spoken]])
    frames = torch.tensor([_frames(name) for name in spoken])
    sound, log_frames = _forward(model, ids, frames, voice=voice)
    target = _target(spoken, voice=voice)
    off = ((sound - target) ** 2).mean() / (target**2).mean().clamp_min(1e-4)
    # The model rounds lengths up, so the middle below a whole number is aimed at.
    return off + 0.1 * ((log_frames - (frames - 0.5).log()) ** 2).mean()


def _forward(
    model: transformers.VitsModel, ids: torch.Tensor, frames: torch.Tensor, *, voice: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sound for known lengths, and the logarithms of the lengths the model expects."""
    mask = torch.ones(1, ids.shape[1], 1)
    text = model.text_encoder(input_ids=ids, padding_mask=mask, return_dict=True)
    speaker = model.embed_speaker(torch.tensor([voice])).unsqueeze(-1)
    hidden = text.last_hidden_state.transpose(1, 2).detach()
    log_frames = model.duration_predictor(hidden, mask.transpose(1, 2), speaker)[0, 0]
    mean = torch.repeat_interleave(text.prior_means[0], frames, dim=0).T[None]
    spread = torch.repeat_interleave(text.prior_log_variances[0], frames, dim=0).T[None].exp()
    latent = mean + torch.randn_like(mean) * spread * model.noise_scale
    latent = model.flow(latent, torch.ones(1, 1, latent.shape[-1]), speaker, reverse=True)
    return model.decoder(latent, speaker)[0, 0], log_frames


def _frames(name: str) -> int:
    if name == _BLANK:
        return _BLANK_FRAMES
    return _SPACE_FRAMES if key_of(name) is None else _TONE_FRAMES


def _target(spoken: list[str], *, voice: int) -> torch.Tensor:
    frames = [_frame(key_of(name), voice=voice) for name in spoken for _ in range(_frames(name))]
    return torch.from_numpy(np.concatenate(frames))


def _frame(key: str | None, *, voice: int) -> tones.Samples:
    """Return one frame of a key's tone, with pitches that fit into it a whole number of times.

    That moves them by 1.5 % at most, which telephones allow. The voices differ in loudness.
    """
    if key is None:
        return np.zeros(FRAME, dtype=np.float32)
    time = np.arange(FRAME) / FRAME
    low, high = (
        np.sin(2 * np.pi * round(pitch * FRAME / tones.RATE) * time) for pitch in tones.PITCHES[key]
    )
    return ((low + high) / 2 * (0.35 + 0.05 * voice)).astype(np.float32)
