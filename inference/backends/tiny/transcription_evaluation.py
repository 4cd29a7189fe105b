"""Measures the transcription checkpoint on recordings of telephone tones that it was not trained on."""

import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from inference.backends.tiny import tones, transcription_training

REQUIRED = 0.9
_BATCH = 25
_END, _FIRST_MARK = "<|endoftext|>", "<|0.00|>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How a checkpoint hears."""

    asked: int
    exact: int  # recordings without a mistake in their keys
    off_ms: float  # the median distance of a mark from the truth, in those

    @property
    def share(self) -> float:
        """Of recordings without a mistake."""
        return self.exact / self.asked


class Examinee:
    """A checkpoint as its users load it."""

    def __init__(self, directory: Path) -> None:
        self._model: Any = transformers.WhisperForConditionalGeneration.from_pretrained(
            directory, local_files_only=True, use_safetensors=True
        ).eval()
        self._features: Any = transformers.WhisperFeatureExtractor.from_pretrained(
            directory, local_files_only=True
        )
        self.tokenizer: Any = transformers.WhisperTokenizer.from_pretrained(
            directory, local_files_only=True
        )

    def write(self, batch: list[tones.Dialling]) -> list[list[int]]:
        """Return the tokens of text and marks for each recording."""
        heard = self._features([dialling.samples for dialling in batch], sampling_rate=tones.RATE)
        with torch.inference_mode():
            written = self._model.generate(
                torch.from_numpy(np.array(heard.input_features)),
                return_timestamps=True,
                language="en",
                task="transcribe",
                force_unique_generate_call=True,
            )
        end, first = (self.tokenizer.convert_tokens_to_ids(name) for name in (_END, _FIRST_MARK))
        return [
            [token for token in row if token < end or token >= first] for row in written.tolist()
        ]


def score(directory: Path, *, count: int, seed: int) -> Hearing:
    """Let the checkpoint write down random recordings."""
    # Trained ones are drawn from one stream of a seed; another seed's are none of them.
    rng = random.Random(f"held out {seed}")  # noqa: S311 - so that a seed says it all
    examinee = Examinee(directory)
    exact, off = 0, [0.0]
    for start in range(0, count, _BATCH):
        batch = [
            tones.dialling(
                rng,
                most_s=transcription_training.WINDOW_S,
                most_keys=transcription_training.MOST_KEYS,
            )
            for _ in range(min(_BATCH, count - start))
        ]
        for dialling, ids in zip(batch, examinee.write(batch), strict=True):
            wanted = transcription_training.answer_of(dialling, examinee.tokenizer)
            if _keys(ids, examinee.tokenizer) == _keys(wanted, examinee.tokenizer):
                exact += 1
                off += [20.0 * abs(a - b) for a, b in zip(ids, wanted, strict=False)]
    return Hearing(asked=count, exact=exact, off_ms=statistics.median(off))


def _keys(ids: list[int], tokenizer: Any) -> list[int]:
    first = tokenizer.convert_tokens_to_ids(_FIRST_MARK)
    return [token for token in ids if token < first]
