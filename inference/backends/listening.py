"""The model that writes recordings down: Whisper checkpoints, a few windows at a time."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tokenizers
import torch
import transformers
from transformers.generation import logits_process

from inference.backends import devices, loading
from inference.backends.windows import Samples
from inference.specs import ModelSpec

Check = Callable[[], None]

_SEEDS = 2**63
_PROMPT = "<|startofprev|>"  # old checkpoints name it in their tokenizer alone


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to write a recording down."""

    language: str  # ISO 639-1
    prompt: str
    temperature: float  # 0 takes the likeliest token
    with_words: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one window says: tokens of text and marks of time."""

    ids: list[int]
    seconds: list[float]  # when each token ends, from the window's start; empty without words
    logprob: float  # mean of its tokens, before any temperature
    temperature: float  # at which they were chosen
    silence: float  # how likely the model held it that nobody speaks


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Windows as the encoder has heard them. On the model's device."""

    encoded: Any
    frames: torch.Tensor  # of each window, without what it was filled up with

    def only(self, numbers: Sequence[int]) -> "Heard":
        """Return some of the windows."""
        rows = list(numbers)
        encoded = type(self.encoded)(last_hidden_state=self.encoded.last_hidden_state[rows])
        return Heard(encoded=encoded, frames=self.frames[rows])


class Scribe:
    """One Whisper checkpoint in memory."""

    def __init__(self, spec: ModelSpec) -> None:
        loading.set_threads(spec)
        directory = loading.fetch(spec)
        self._features: Any = transformers.WhisperFeatureExtractor.from_pretrained(
            directory, local_files_only=True
        )
        self._tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.encode_special_tokens = (
            True  # a caller's words never become a control token
        )
        self._model: Any = loading.open_model(
            spec, transformers.WhisperForConditionalGeneration, directory
        )
        self._attention: str = self._model.config._attn_implementation  # noqa: SLF001 - has no other name
        self.memory_bytes = devices.size_of(self._model)
        self._config: Any = _configuration(self._model)
        self._end: int = self._model.config.eos_token_id
        positions: int = self._model.config.max_source_positions
        self.rate: int = self._features.sampling_rate
        self.window: int = self._features.n_samples
        self.mark_ms: int = self.window * 1000 // self.rate // positions
        self.hop: int = self._features.hop_length
        self.first_mark: int = self._config.no_timestamps_token_id + 1
        # Under one name or another, this one stands before it in every checkpoint.
        self._silence: int = self._config.no_timestamps_token_id - 1

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self._model.device
        return device

    @property
    def tells_words(self) -> bool:
        """Whether the checkpoint says which of its heads follow the sound."""
        return bool(getattr(self._config, "alignment_heads", None))

    @property
    def languages(self) -> frozenset[str]:
        """The languages it can be told to expect, ISO 639-1."""
        return frozenset(self._languages()) or frozenset({"en"})

    def hear(self, windows: Sequence[Samples]) -> Heard:
        """Run the encoder over windows, each filled up with silence."""
        batch = self._features(
            list(windows),
            sampling_rate=self.rate,
            return_tensors="pt",
            return_attention_mask=True,
        )
        features = batch.input_features.to(self.device, self._model.dtype)
        with torch.inference_mode():
            encoded = self._model.get_encoder()(features)
        return Heard(encoded=encoded, frames=batch.attention_mask.sum(-1))

    def language_of(self, heard: Heard) -> str:
        """Return the language of the first window."""
        known = self._languages()
        if not known:
            return "en"
        with torch.inference_mode():
            (found,) = self._model.detect_language(
                encoder_outputs=heard.only([0]).encoded, generation_config=self._config
            ).tolist()
        return next(code for code, token in known.items() if token == found)

    def write(
        self, heard: Heard, *, manner: Manner, seeds: Sequence[int], check: Check
    ) -> list[Written]:
        """Return what the windows say; `check` is called in every step and may raise."""
        head = self._head(manner)
        batch = len(heard.frames)
        begin = torch.tensor([head] * batch, device=self.device)
        step = _Step(temperature=manner.temperature, seeds=seeds, check=check, end=self._end)
        processors = logits_process.LogitsProcessorList(
            [
                logits_process.WhisperTimeStampLogitsProcessor(self._config, begin_index=len(head)),
                step,
            ]
        )
        first = _FirstStep(
            place=head.index(self._config.decoder_start_token_id), token=self._silence
        )
        noting = self._model.get_output_embeddings().register_forward_hook(first)
        self._model.set_attn_implementation("eager" if manner.with_words else self._attention)
        with noting, torch.inference_mode():
            # Not Whisper's own generate: it drops what follows the last mark of a window, and
            # copies the caches of every window to main memory.
            outputs = transformers.GenerationMixin.generate(
                self._model,
                encoder_outputs=heard.encoded,
                decoder_input_ids=begin,
                generation_config=self._settings(manner, begin=len(head)),
                logits_processor=processors,
            )
        times = self._times(outputs, heard, begin=len(head)) if manner.with_words else None
        found = []
        for row, (logprob, silence) in enumerate(zip(step.logprobs(), first.found, strict=True)):
            timed = None if times is None else times[row]
            ids, seconds = self._read(outputs.sequences[row], timed, begin=len(head))
            found.append(
                Written(
                    ids=ids,
                    seconds=seconds,
                    logprob=logprob,
                    temperature=manner.temperature,
                    silence=silence,
                )
            )
        return found

    def text_of(self, ids: Sequence[int]) -> str:
        """Return the text of tokens; control tokens have none."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _read(
        self, sequence: torch.Tensor, times: torch.Tensor | None, *, begin: int
    ) -> tuple[list[int], list[float]]:
        """Return the tokens up to the end, and when each ends."""
        ids = sequence[begin:].tolist()
        length = ids.index(self._end) if self._end in ids else len(ids)
        seconds = times[begin : begin + length].tolist() if times is not None else []
        return ids[:length], seconds

    def _times(self, outputs: Any, heard: Heard, *, begin: int) -> torch.Tensor:
        times: torch.Tensor = self._model._extract_token_timestamps(  # noqa: SLF001 - has no other name
            outputs,
            self._config.alignment_heads,
            num_frames=heard.frames,
            num_input_ids=begin,
        )
        return times

    def _head(self, manner: Manner) -> list[int]:
        """Return the tokens before the answer: the prompt's last ones, and what is asked for."""
        head = [self._config.decoder_start_token_id]
        known = self._languages()
        if known:
            head += [known[manner.language], self._config.task_to_id["transcribe"]]
        if not manner.prompt:
            return head
        ids = self._tokenizer.encode(f" {manner.prompt.strip()}", add_special_tokens=False).ids
        room = self._model.config.max_target_positions - self._most_new_tokens() - len(head) - 1
        words = [token for token in ids if token < self._end][-room:]
        return [self._tokenizer.token_to_id(_PROMPT), *words, *head]

    def _settings(self, manner: Manner, *, begin: int) -> Any:
        settings = copy.deepcopy(self._config)
        settings.max_length = begin + self._most_new_tokens()
        settings.return_dict_in_generate = True
        settings.output_attentions = manner.with_words
        return settings

    def _most_new_tokens(self) -> int:
        return int(self._model.config.max_target_positions // 2)

    def _languages(self) -> dict[str, int]:
        """Return the tokens of the languages; none for a model of English alone."""
        tokens = getattr(self._config, "lang_to_id", None) or {}
        if not getattr(self._config, "is_multilingual", bool(tokens)):
            return {}
        return {name.strip("<|>"): token for name, token in tokens.items()}


class _FirstStep:
    """Notes how likely a token is at a place of the head, which the first step alone has scores of.

    Called with what the model's last layer returns.
    """

    def __init__(self, *, place: int, token: int) -> None:
        self._place, self._token = place, token
        self.found: list[float] = []  # a probability for each window

    def __call__(self, _layer: torch.nn.Module, _inputs: Any, scores: torch.Tensor) -> None:
        """Read the scores. [windows, head, vocabulary]."""
        if not self.found:
            likely = scores[:, self._place].float().softmax(-1)
            self.found = likely[:, self._token].tolist()


class _Step(logits_process.LogitsProcessor):  # type: ignore[misc]
    """Comes last in each step: asks whether to go on, and turns the likeliest token into a draw.

    The largest of logits with Gumbel noise is a draw from their distribution, and each window has
    a generator of its own: so what is drawn depends on no other window and no other request.
    """

    def __init__(self, *, temperature: float, seeds: Sequence[int], check: Check, end: int) -> None:
        self._temperature, self._check, self._end = temperature, check, end
        self._totals = torch.zeros(len(seeds), dtype=torch.float64)
        self._counts = torch.zeros(len(seeds), dtype=torch.int64)
        self._open = torch.ones(len(seeds), dtype=torch.bool)  # windows that go on
        self._generators = [torch.Generator().manual_seed(seed % _SEEDS) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores of the next tokens. float, [windows, vocabulary]."""
        del input_ids
        self._check()
        wanted = scores if self._temperature <= 0 else self._noisy(scores)
        self._note(scores, chosen=wanted.argmax(-1, keepdim=True))
        return wanted

    def logprobs(self) -> list[float]:
        """Return the mean log-probability of each window's tokens, its end included."""
        means: list[float] = (self._totals / self._counts.clamp(min=1)).tolist()
        return means

    def _note(self, scores: torch.Tensor, *, chosen: torch.Tensor) -> None:
        likely = scores.float().log_softmax(-1).gather(-1, chosen).squeeze(-1).double().cpu()
        self._totals += likely.where(self._open, torch.zeros_like(likely))
        self._counts += self._open
        self._open &= chosen.squeeze(-1).cpu() != self._end

    def _noisy(self, scores: torch.Tensor) -> torch.Tensor:
        noise = torch.stack(
            [
                torch.empty(scores.shape[1]).exponential_(generator=generator).log_().neg_()
                for generator in self._generators
            ]
        )
        return scores / self._temperature + noise.to(scores.device)


def _configuration(model: Any) -> Any:
    """Return the checkpoint's settings of generation: greedy, one beam, bounded by us."""
    config = copy.deepcopy(model.generation_config)
    config.do_sample, config.num_beams = False, 1
    config.forced_decoder_ids = None  # old checkpoints force a language by it
    config.return_timestamps = True
    return config
