"""Embeddings with transformers: inputs of all waiting jobs share each forward pass."""

import array
import collections
import dataclasses
import gc
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from inference import batching, faults
from inference.backends import devices, loading
from inference.errors import Cancelled, EngineClosed, InferenceError, InputRejected
from inference.ports import Handle, Listener
from inference.specs import ModelSpec
from inference.tokenization import PromptTokenizer
from inference.types import EmbeddingRequest, EmbeddingResult, Request, Usage

logger = logging.getLogger(__name__)

_PADDED_TOKENS = 8192  # per forward pass; option max_batch_tokens


@dataclasses.dataclass(eq=False)
class _Job:
    """One request: its inputs as token ids, and the vectors so far. Guarded by the backend's lock."""

    request: EmbeddingRequest
    listener: Listener
    inputs: list[list[int]]
    backend: "EmbeddingBackend"
    next_input: int = 0
    done_tokens: int = 0
    is_done: bool = False
    vectors: dict[int, "array.array[float]"] = dataclasses.field(default_factory=dict)

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        return Usage(prompt_tokens=self.done_tokens)

    def cancel(self) -> None:
        """End the job as cancelled, unless it has ended."""
        self.backend.end(self, Cancelled())


class EmbeddingBackend:
    """One encoder in this process, with a thread that feeds it.

    While a pass runs, new jobs line up; the next pass takes one input of each job in turn, so a
    job of a thousand inputs does not hold up a job of one.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._encoder: _Encoder | None = None
        self._tokenizer: PromptTokenizer | None = None
        self._changed = threading.Condition()
        self._jobs: collections.deque[_Job] = collections.deque()  # with inputs not yet taken
        self._live: set[_Job] = set()
        self._is_open = False
        self._last_step_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="embeddings", daemon=True)

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beyond plain embedding."""
        return frozenset({"dimensions"})

    def load(self) -> None:
        """Bring the model into memory and start its thread.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: there is no room for the model.
        """
        loading.guarded(self._spec, self._load)

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request; whatever is wrong with it reaches on_done."""
        job = _Job(request, listener, [], self)  # type: ignore[arg-type]  # checked below
        with self._changed:
            self._live.add(job)
        try:
            job.inputs = self._checked_inputs(request)
        except InferenceError as error:
            self.end(job, error)
            return job
        with self._changed:
            is_open = self._is_open
            if is_open and not job.is_done:
                if len(self._live) == 1:
                    self._last_step_at = time.monotonic()
                self._jobs.append(job)
                self._changed.notify_all()
        if not is_open:
            self.end(job, EngineClosed())
        return job

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, stop the thread, and free the memory."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
            left = list(self._live)
        for job in left:
            self.end(job, EngineClosed())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._encoder = None
        gc.collect()

    def last_step_at(self) -> float:
        """Return when the last pass ended, or now if there is nothing to do."""
        return self._last_step_at if self._live else time.monotonic()

    def running(self) -> int:
        """Return how many requests have not ended."""
        return len(self._live)

    def memory_bytes(self) -> int:
        """Return what the weights take."""
        return 0 if self._encoder is None else self._encoder.memory_bytes

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed."""
        return self._is_open

    def end(self, job: _Job, outcome: EmbeddingResult | InferenceError) -> None:
        """Tell a job's listener the outcome; only the first one counts."""
        with self._changed:
            if job.is_done:
                return
            job.is_done = True
            self._live.discard(job)
        try:
            job.listener.on_done(outcome, usage=job.usage)
        except Exception:  # a listener's fault must not stop the other jobs
            logger.exception("request %s: the listener failed", job.request.request_id)

    def _load(self) -> None:
        loading.set_threads(self._spec)
        directory = loading.fetch(self._spec)
        self._tokenizer = loading.open_tokenizer(self._spec, directory)
        self._encoder = _Encoder(loading.open_model(self._spec, transformers.AutoModel, directory))
        self._is_open = True
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or not self._is_open)
                if not self._is_open:
                    return
                pieces = self._next_pieces()
            self._pass(pieces)
            self._last_step_at = time.monotonic()

    def _next_pieces(self) -> list[tuple[_Job, int]]:
        """Take inputs for one pass, one of each job in turn."""
        limit = int(self._spec.options.get("max_batch_tokens", _PADDED_TOKENS))
        pieces: list[tuple[_Job, int]] = []
        lengths: list[int] = []
        while self._jobs:
            job = self._jobs[0]
            if job.is_done:
                self._jobs.popleft()
                continue
            lengths.append(len(job.inputs[job.next_input]))
            if batching.pack(lengths, items=self._spec.max_batch, padded_tokens=limit) < len(
                lengths
            ):
                break
            pieces.append((job, job.next_input))
            job.next_input += 1
            self._jobs.rotate(-1)
            if job.next_input == len(job.inputs):
                self._jobs.remove(job)
        return pieces

    def _pass(self, pieces: Sequence[tuple[_Job, int]]) -> None:
        if self._encoder is None or not pieces:
            return
        try:
            vectors = self._encoder.encode([job.inputs[index] for job, index in pieces])
        except Exception as error:
            logger.exception("model %s: an embedding pass failed", self._spec.id)
            failure = faults.failure_of(error, doing="made embeddings")
            for job in {job for job, _ in pieces}:
                self.end(job, failure)
            return
        for (job, index), vector in zip(pieces, vectors, strict=True):
            job.vectors[index] = _finished(vector, job.request.dimensions)
            job.done_tokens += len(job.inputs[index])
            if len(job.vectors) == len(job.inputs):
                ordered = tuple(job.vectors[number] for number in range(len(job.inputs)))
                self.end(job, EmbeddingResult(vectors=ordered, usage=job.usage))

    def _checked_inputs(self, request: Request) -> list[list[int]]:
        encoder, tokenizer = self._encoder, self._tokenizer
        if encoder is None or tokenizer is None:
            raise EngineClosed
        if not isinstance(request, EmbeddingRequest):
            raise InputRejected(f"Model {self._spec.id} makes embeddings only.", field="model")
        if request.dimensions is not None and not 1 <= request.dimensions <= encoder.width:
            raise InputRejected(
                f"dimensions is {request.dimensions}; model {self._spec.id} has {encoder.width}.",
                field="dimensions",
            )
        if not request.inputs:
            raise InputRejected("input is empty; send at least one text.", field="input")
        return [
            self._checked_ids(item, number, encoder, tokenizer)
            for number, item in enumerate(request.inputs)
        ]

    def _checked_ids(
        self,
        item: str | Sequence[int],
        number: int,
        encoder: "_Encoder",
        tokenizer: PromptTokenizer,
    ) -> list[int]:
        ids = tokenizer.text_ids(item) if isinstance(item, str) else list(item)
        problem = None
        if not ids:
            problem = "is empty"
        elif len(ids) > self._spec.context_tokens:
            problem = f"has {len(ids)} tokens; at most {self._spec.context_tokens} are allowed"
        elif not all(0 <= token_id < encoder.vocabulary for token_id in ids):
            problem = f"has a token id outside 0 to {encoder.vocabulary - 1}"
        if problem:
            raise InputRejected(f"input[{number}] {problem}.", field=f"input[{number}]")
        return ids


class _Encoder:
    """The model itself: token ids in, one vector per input out."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.width: int = model.config.hidden_size
        self.vocabulary: int = model.config.vocab_size
        self.memory_bytes = devices.size_of(model)

    def encode(self, inputs: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the mean of each input's hidden states. float32, [inputs, width], on CPU."""
        with torch.inference_mode():
            return self._encode(inputs)

    def _encode(self, inputs: Sequence[Sequence[int]]) -> torch.Tensor:
        longest = max(map(len, inputs))
        ids = torch.zeros(len(inputs), longest, dtype=torch.long)
        mask = torch.zeros(len(inputs), longest, dtype=torch.long)
        for row, item in enumerate(inputs):
            ids[row, : len(item)] = torch.tensor(item)
            mask[row, : len(item)] = 1
        ids, mask = ids.to(self._model.device), mask.to(self._model.device)
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1)
        return ((hidden * weights).sum(1) / weights.sum(1)).cpu()


def _finished(vector: torch.Tensor, dimensions: int | None) -> "array.array[float]":
    """Cut a vector to its leading dimensions and bring it to length 1."""
    kept = torch.nn.functional.normalize(vector[:dimensions], dim=0)
    return array.array("f", kept.tolist())
