"""What encoders share whose requests have many inputs: inputs of all waiting jobs share each forward pass."""

import abc
import collections
import dataclasses
import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from inference import batching, faults
from inference.backends import loading
from inference.errors import Cancelled, EngineClosed, InferenceError
from inference.ports import Handle, Listener
from inference.specs import ModelSpec
from inference.types import Request, Result, Usage

logger = logging.getLogger(__name__)

_PADDED_TOKENS = 8192  # per forward pass; option max_batch_tokens


class Input(Protocol):
    """One input of a request."""

    @property
    def ids(self) -> Sequence[int]:
        """Its tokens, at least one."""


InputT = TypeVar("InputT", bound=Input)
OutputT = TypeVar("OutputT")
InputT_contra = TypeVar("InputT_contra", bound=Input, contravariant=True)
OutputT_co = TypeVar("OutputT_co", covariant=True)


class Network(Protocol[InputT_contra, OutputT_co]):
    """The model itself, in memory."""

    @property
    def memory_bytes(self) -> int:
        """What its weights take."""

    def run(self, inputs: Sequence[InputT_contra]) -> Sequence[OutputT_co]:
        """Return one output per input, from one forward pass."""


@dataclasses.dataclass(eq=False)
class _Job(Generic[InputT, OutputT]):
    """One request: its inputs, and the outputs so far. Guarded by the backend's lock."""

    request: Request
    listener: Listener
    end: Callable[["_Job[InputT, OutputT]", Result | InferenceError], None]
    inputs: list[InputT] = dataclasses.field(default_factory=list)
    next_input: int = 0
    done_tokens: int = 0
    is_done: bool = False
    outputs: dict[int, OutputT] = dataclasses.field(default_factory=dict)

    @property
    def usage(self) -> Usage:
        """The work done so far."""
        return Usage(prompt_tokens=self.done_tokens)

    def cancel(self) -> None:
        """End the job as cancelled, unless it has ended."""
        self.end(self, Cancelled())


class PassBackend(abc.ABC, Generic[InputT, OutputT]):
    """One encoder in this process, with a thread that feeds it.

    While a pass runs, new jobs line up; the next pass takes one input of each job in turn, so a
    job of a thousand inputs does not hold up a job of one. A cancel counts from the next pass on.
    """

    doing: str  # what a failed pass did, to end a sentence: "made embeddings"

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._network: Network[InputT, OutputT] | None = None
        self._changed = threading.Condition()
        self._jobs: collections.deque[_Job[InputT, OutputT]] = collections.deque()  # not all taken
        self._live: set[_Job[InputT, OutputT]] = set()
        self._is_open = False
        self._last_step_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=str(spec.modality), daemon=True)

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beyond plain requests."""
        return frozenset()

    @abc.abstractmethod
    def _open(self, directory: Path) -> Network[InputT, OutputT]:
        """Bring the model of a directory into memory.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
        """

    @abc.abstractmethod
    def _inputs_of(self, request: Request) -> list[InputT]:
        """Return the inputs of a request, at least one.

        Raises:
            InputRejected: it cannot run as it is.
        """

    @abc.abstractmethod
    def _result(self, outputs: Sequence[OutputT], usage: Usage) -> Result:
        """Return the result of a request of these outputs, in the order of its inputs."""

    def load(self) -> None:
        """Bring the model into memory and start its thread.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: there is no room for the model.
        """
        loading.guarded(self._spec, self._load)

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request; whatever is wrong with it reaches on_done."""
        job: _Job[InputT, OutputT] = _Job(request, listener, self._end)
        with self._changed:
            self._live.add(job)
        try:
            if self._network is None:
                raise EngineClosed
            job.inputs = self._inputs_of(request)
        except InferenceError as error:
            self._end(job, error)
            return job
        with self._changed:
            is_open = self._is_open
            if is_open and not job.is_done:
                if len(self._live) == 1:
                    self._last_step_at = time.monotonic()
                self._jobs.append(job)
                self._changed.notify_all()
        if not is_open:
            self._end(job, EngineClosed())
        return job

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, stop the thread, and free the memory."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
            left = list(self._live)
        for job in left:
            self._end(job, EngineClosed())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._network = None
        gc.collect()

    def last_step_at(self) -> float:
        """Return when the last pass ended, or now if there is nothing to do."""
        return self._last_step_at if self._live else time.monotonic()

    def running(self) -> int:
        """Return how many requests have not ended."""
        return len(self._live)

    def memory_bytes(self) -> int:
        """Return what the weights take."""
        return 0 if self._network is None else self._network.memory_bytes

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed."""
        return self._is_open

    def _end(self, job: _Job[InputT, OutputT], outcome: Result | InferenceError) -> None:
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
        self._network = self._open(loading.fetch(self._spec))
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

    def _next_pieces(self) -> list[tuple[_Job[InputT, OutputT], int]]:
        """Take inputs for one pass, one of each job in turn."""
        limit = int(self._spec.options.get("max_batch_tokens", _PADDED_TOKENS))
        pieces: list[tuple[_Job[InputT, OutputT], int]] = []
        lengths: list[int] = []
        while self._jobs:
            job = self._jobs[0]
            if job.is_done:
                self._jobs.popleft()
                continue
            lengths.append(len(job.inputs[job.next_input].ids))
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

    def _pass(self, pieces: Sequence[tuple[_Job[InputT, OutputT], int]]) -> None:
        if self._network is None or not pieces:
            return
        try:
            outputs = self._network.run([job.inputs[index] for job, index in pieces])
        except Exception as error:
            logger.exception("model %s: a pass over its inputs failed", self._spec.id)
            failure = faults.failure_of(error, doing=self.doing)
            for job in {job for job, _ in pieces}:
                self._end(job, failure)
            return
        for (job, index), output in zip(pieces, outputs, strict=True):
            job.outputs[index] = output
            job.done_tokens += len(job.inputs[index].ids)
            if len(job.outputs) == len(job.inputs):
                ordered = [job.outputs[number] for number in range(len(job.inputs))]
                self._end(job, self._result(ordered, job.usage))


def padded(rows: Sequence[Sequence[int]], device: Any, *, fill: int = 0) -> torch.Tensor:
    """Return rows of numbers as one tensor on a device, the short ones filled up. int64, [rows, longest]."""
    longest = max(map(len, rows))
    found = torch.full((len(rows), longest), fill, dtype=torch.long)
    for number, row in enumerate(rows):
        found[number, : len(row)] = torch.tensor(row)
    return found.to(device)


def mask_of(rows: Sequence[Sequence[int]], device: Any) -> torch.Tensor:
    """Return which places of ``padded`` are real. int64, [rows, longest]."""
    return padded([[1] * len(row) for row in rows], device)
