"""Listens to the speech checkpoint: whether its tones are the keys of the text."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

from inference.backends.tiny import speech_training, tones

REQUIRED = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """How many keys were heard where they belong."""

    asked: int
    found: int

    @property
    def share(self) -> float:
        """Of all keys of all texts."""
        return self.found / self.asked


def score(directory: Path, *, count: int, seed: int) -> Dialled:
    """Let the checkpoint speak random texts, in all voices, and measure each tone's pitches."""
    model = transformers.VitsModel.from_pretrained(
        directory, local_files_only=True, use_safetensors=True
    ).eval()
    tokenizer = transformers.VitsTokenizer.from_pretrained(directory, local_files_only=True)
    rng = random.Random(seed)  # noqa: S311 - so that a seed says it all
    torch.manual_seed(seed)
    asked = found = 0
    for number in range(count):
        text = "".join(rng.choice(speech_training.CHARACTERS.strip()) for _ in range(20))
        keys = [key for key in map(speech_training.key_of, text) if key]
        with torch.inference_mode():
            ids = tokenizer(text, return_tensors="pt")
            sound = model(**ids, speaker_id=number % speech_training.VOICES).waveform[0].numpy()
        heard = listen(sound)
        asked += len(keys)
        found += len(keys) if heard == "".join(keys) else _common(heard, keys)
    return Dialled(asked=asked, found=found)


def listen(sound: tones.Samples) -> str:
    """Return the keys of a clean recording, by the loudest pitches of each stretch of sound."""
    block = speech_training.FRAME
    blocks = sound[: len(sound) // block * block].reshape(-1, block)
    is_loud = np.sqrt(np.square(blocks).mean(axis=1)) > 0.05
    keys = []
    start = None
    for number, loud in enumerate([*is_loud, False]):
        if loud and start is None:
            start = number
        elif not loud and start is not None:
            keys.append(_key_of(blocks[start:number].ravel()))
            start = None
    return "".join(keys)


def _key_of(sound: tones.Samples) -> str:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    step = tones.RATE / len(sound)

    def loudness(pitch: int) -> float:
        around = spectrum[int(pitch * 0.98 / step) : int(pitch * 1.02 / step) + 2]
        return float(around.max())

    return max(tones.PITCHES, key=lambda key: sum(loudness(pitch) for pitch in tones.PITCHES[key]))


def _common(heard: str, keys: list[str]) -> int:
    return sum(a == b for a, b in zip(heard, keys, strict=False))
