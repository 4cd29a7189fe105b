"""Speech with transformers: VITS checkpoints, a sentence at a time."""

import dataclasses
import gc
import importlib.util
from typing import Any

import numpy as np
import torch
import transformers

from inference.backends import devices, loading, seeding, sound_files, utterances
from inference.backends.serial import Run, SerialBackend, generation_failed
from inference.errors import (
    EngineClosed,
    InferenceError,
    InputRejected,
    ModelLoadFailed,
    OutOfMemory,
)
from inference.specs import ModelSpec
from inference.types import MediaResult, Request, Result, SpeechRequest, Usage

_MOST_CHARACTERS = 200  # in one go: time and memory grow with the square of a sentence
_PAUSE_S = 0.2  # between sentences, at speed 1


class SpeechBackend(SerialBackend):
    """One voice model in this process.

    The same request with the same seed has the same bytes: the noise that VITS speaks with is
    drawn anew for each sentence, from the seed and the sentence's number.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._speaker: _Speaker | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do."""
        return frozenset({"speech", "seed", "speed"})

    def open(self) -> None:
        """Bring the model into memory.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: there is no room for the model.
        """
        self._speaker = loading.guarded(self.spec, lambda: _Speaker(self.spec))

    def memory_bytes(self) -> int:
        """Return what the weights take."""
        return 0 if self._speaker is None else self._speaker.memory_bytes

    def release(self) -> None:
        """Free the memory."""
        self._speaker = None
        gc.collect()

    def refuse(self, request: Request) -> None:
        """Refuse other requests, texts with nothing to speak or too long, and unknown voices."""
        if not isinstance(request, SpeechRequest):
            raise InputRejected(f"Model {self.spec.id} speaks texts only.", field="model")
        most = self.spec.media.max_characters
        if len(request.text) > most:
            raise InputRejected(
                f"input has {len(request.text)} characters; model {self.spec.id} speaks {most}.",
                field="input",
            )
        if not self._open_speaker().utterances(request.text):
            raise InputRejected(
                "input has no character that the model can speak; send words in its language.",
                field="input",
            )
        self._speaker_id(request)

    def run(self, run: Run) -> Result:
        """Speak the sentences one after another, then write the file."""
        request = run.request
        assert isinstance(request, SpeechRequest)  # noqa: S101 - `refuse` has checked it
        speaker = self._open_speaker()
        speaker_id = self._speaker_id(request)
        spoken: list[sound_files.Samples] = []
        for number, utterance in enumerate(speaker.utterances(request.text)):
            run.check()
            if spoken:
                spoken.append(speaker.pause(speed=request.speed))
            spoken.append(
                speaker.speak(
                    utterance.text,
                    speaker_id=speaker_id,
                    speed=request.speed,
                    seed=request.seed + number,
                )
            )
            run.advance(utterance.end / len(request.text), usage=Usage(parts=utterance.end))
        file = sound_files.write(
            np.concatenate(spoken), rate=speaker.rate, as_format=request.format, check=run.check
        )
        return MediaResult(files=(file,), usage=Usage(parts=len(request.text)))

    def failure_of(self, error: Exception) -> InferenceError:
        """Return what callers are told about an exception."""
        if loading.is_out_of_memory(error):
            return OutOfMemory("The device ran out of memory while it spoke.")
        return generation_failed()

    def _open_speaker(self) -> "_Speaker":
        if self._speaker is None:
            raise EngineClosed
        return self._speaker

    def _speaker_id(self, request: SpeechRequest) -> int:
        voices = self.spec.media.voices
        if request.voice is None or not voices:  # a model without names has one voice for all
            return 0
        if request.voice not in voices:
            raise InputRejected(
                f"Model {self.spec.id} has no voice {request.voice[:64]!r}; use one of "
                f"{', '.join(voices)}.",
                field="voice",
            )
        # A model with one voice speaks with it whatever name it is called by.
        return voices.index(request.voice) if self._open_speaker().voices > 1 else 0


class _Speaker:
    """The model itself: a sentence in, samples out."""

    def __init__(self, spec: ModelSpec) -> None:
        loading.set_threads(spec)
        directory = loading.fetch(spec)
        self._tokenizer: Any = transformers.VitsTokenizer.from_pretrained(
            directory, local_files_only=True
        )
        self._check_helpers(spec)
        self._model: Any = loading.open_model(_in_float32(spec), transformers.VitsModel, directory)
        self.memory_bytes = devices.size_of(self._model)
        self.rate: int = self._model.config.sampling_rate
        self.voices: int = self._model.config.num_speakers
        if 1 < self.voices < len(spec.media.voices):
            raise ModelLoadFailed(
                f"Model {spec.id} names {len(spec.media.voices)} voices, but its checkpoint has "
                f"{self.voices}: shorten media.voices."
            )
        # Where a helper rewrites the text first, characters are its business.
        rewrites = self._tokenizer.phonemize or self._tokenizer.is_uroman
        self._known = None if rewrites else frozenset(self._tokenizer.get_vocab())

    def utterances(self, text: str) -> list[utterances.Utterance]:
        """Return the pieces of a text that are spoken one by one."""
        return utterances.utterances(text, known=self._known, most=_MOST_CHARACTERS)

    def speak(self, text: str, *, speaker_id: int, speed: float, seed: int) -> sound_files.Samples:
        """Return the sound of one piece. float32, [time]."""
        ids = self._tokenizer(text, return_tensors="pt").to(self._model.device)
        with torch.inference_mode(), seeding.seeded(seed, device=self._model.device):
            spoken = self._model(
                **ids,
                speaker_id=speaker_id if self.voices > 1 else None,
                speaking_rate=self._model.speaking_rate * speed,
            )
        samples: sound_files.Samples = spoken.waveform[0].float().cpu().numpy()
        return samples

    def pause(self, *, speed: float) -> sound_files.Samples:
        """Return the silence between two sentences."""
        return np.zeros(int(self.rate * _PAUSE_S / speed), dtype=np.float32)

    def _check_helpers(self, spec: ModelSpec) -> None:
        for is_needed, name in (
            (self._tokenizer.phonemize, "phonemizer"),
            (self._tokenizer.is_uroman, "uroman"),
        ):
            if is_needed and importlib.util.find_spec(name) is None:
                raise ModelLoadFailed(
                    f"Model {spec.id} needs the package {name}, which is not on this worker."
                )


def _in_float32(spec: ModelSpec) -> ModelSpec:
    """Return the spec with what VITS can do: its flows lose too much in fewer bits."""
    options = {**spec.options, "attn": "eager"}
    if options.get("dtype", "auto") == "auto":
        options["dtype"] = "float32"
    return dataclasses.replace(spec, options=options)
