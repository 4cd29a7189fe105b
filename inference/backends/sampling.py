"""Chooses each request's next token by the request's own parameters, inside the common batch.

The library's manager shares one set of processors and one random generator between all requests.
This processor is its extension point: it sees the logits of the whole step, and which request each
row belongs to. It leaves a greedy row to the manager's argmax, and for a sampled row it chooses the
token itself and lets nothing else through.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.logits_process import LogitsProcessorList

from inference.backends import constraints
from inference.backends.constraints import Constraint

ARGUMENT = "sampling"  # the keyword of add_request that carries a Choice


class Recorder:
    """What the model held likely at each token of one request. The model's thread writes it."""

    def __init__(self, *, top: int) -> None:
        self.top = top  # how many likely tokens are noted beside the chosen one
        self.tokens: list[tuple[int, float, list[tuple[int, float]]]] = []  # chosen, its, top

    def take(self, token_id: int, logprob: float, top: list[tuple[int, float]]) -> None:
        """Note one token."""
        self.tokens.append((token_id, logprob, top))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How one request chooses its tokens."""

    seed: int
    temperature: float
    top_p: float
    min_tokens: int
    presence_penalty: float
    frequency_penalty: float
    constraint: Constraint | None = None  # the grammar of the answer
    recorder: Recorder | None = None  # of what the model held likely

    @property
    def is_plain(self) -> bool:
        """Whether the most likely token is the answer, whatever came before."""
        return not (
            self.temperature
            or self.min_tokens
            or self.presence_penalty
            or self.frequency_penalty
            or self.constraint
            or self.recorder
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    choice: Choice
    count: int  # tokens generated so far
    generated: Sequence[int]  # these tokens, if there is a penalty on them

    @property
    def is_early(self) -> bool:
        """Whether the answer may not end yet."""
        return self.count < self.choice.min_tokens


class RequestSampler(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """One sampler for all requests of a batch.

    It keeps the rows of the step between prepare_tensor_args and the call, which is sound because
    the backend turns the manager's asynchronous mode and CUDA graphs off.
    """

    supported_kwargs = {ARGUMENT: Choice}  # noqa: RUF012 - the manager reads the class attribute
    ignored_kwargs = ()

    def __init__(self, *, end_ids: Collection[int], on_step: Callable[[], None]) -> None:
        self._end_ids = sorted(end_ids)
        self._on_step = on_step
        self._rows: list[_Row] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fill the argument storage, which this processor does not use."""
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """Note which request each row of the coming step belongs to."""
        self._on_step()
        self._rows = [_row_of(request.state) for request in requests_with_new_token]
        return torch.zeros(len(self._rows), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Return scores whose argmax is each request's next token.

        `scores`: float32, [rows, vocab], on device.
        """
        del tensor_arg
        rows = self._rows
        if all(row.choice.is_plain for row in rows):
            return scores
        likely = scores
        scores = scores.clone()
        self._penalise(scores)
        self._forbid_early_ends(scores)
        self._hold_to_grammars(scores)
        sampled = [number for number, row in enumerate(rows) if row.choice.temperature > 0]
        if sampled:
            chosen = _choose(scores[sampled], [rows[number] for number in sampled])
            scores[sampled] = -torch.inf
            scores[sampled, chosen] = 0.0
        self._record(likely, scores)
        return scores

    def _record(self, likely: torch.Tensor, scores: torch.Tensor) -> None:
        """Note what the model held likely, for those who asked; the choice is the scores' argmax."""
        numbers = [i for i, row in enumerate(self._rows) if row.choice.recorder]
        recorders = [row.choice.recorder for row in self._rows if row.choice.recorder]
        if not recorders:
            return
        logprobs = likely[numbers].log_softmax(-1)
        chosen = scores[numbers].argmax(-1, keepdim=True)
        most = max(recorder.top for recorder in recorders)
        values, ids = logprobs.topk(min(most, logprobs.shape[-1]))
        picked = logprobs.gather(-1, chosen)
        for place, recorder in enumerate(recorders):
            top = list(zip(ids[place].tolist(), values[place].tolist(), strict=True))
            recorder.take(int(chosen[place]), float(picked[place]), top[: recorder.top])

    def _penalise(self, scores: torch.Tensor) -> None:
        for number, row in enumerate(self._rows):
            if row.generated:
                generated = torch.tensor(row.generated, device=scores.device)
                ids, counts = generated.unique(return_counts=True)
                choice = row.choice
                scores[number, ids] -= choice.presence_penalty + choice.frequency_penalty * counts

    def _forbid_early_ends(self, scores: torch.Tensor) -> None:
        # An answer with a grammar may have to end early: see _hold_to_grammars.
        early = [
            i for i, row in enumerate(self._rows) if row.is_early and not row.choice.constraint
        ]
        if early and self._end_ids:
            scores[torch.tensor(early).unsqueeze(-1), torch.tensor(self._end_ids)] = -torch.inf

    def _hold_to_grammars(self, scores: torch.Tensor) -> None:
        """Leave each answer only the tokens that its grammar allows.

        Where the grammar has come to its end, only the end of the answer is left, and min_tokens
        cannot forbid it: a valid answer is worth more than a long one.
        """
        found = [(i, row) for i, row in enumerate(self._rows) if row.choice.constraint]
        held = [row.choice.constraint for _, row in found if row.choice.constraint]
        if not held:
            return
        vocabulary, device = scores.shape[-1], scores.device
        allowed = constraints.allowed(held, vocabulary=vocabulary, device=device)
        ends = torch.zeros(vocabulary, dtype=torch.bool, device=device)
        ends[torch.tensor(self._end_ids, dtype=torch.long)] = True
        early = torch.tensor([row.is_early for _, row in found], device=device).unsqueeze(-1)
        allowed = torch.where(
            early & (allowed & ~ends).any(-1, keepdim=True), allowed & ~ends, allowed
        )
        allowed |= ends & ~allowed.any(-1, keepdim=True)  # a grammar that failed: end the answer
        numbers = torch.tensor([i for i, _ in found], device=device)
        scores[numbers] = scores[numbers].masked_fill(~allowed, -torch.inf)


def processors(sampler: RequestSampler) -> ContinuousBatchingLogitsProcessorList:
    """Return the list of processors that a manager with this sampler needs."""
    found = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([sampler]))
    found.tensors_required = 1  # the list counts only processors it converted itself
    return found


def uniform(seed: int, index: int) -> float:
    """Return a number in [0, 1) that depends on nothing but seed and index.

    A generator with a state would have to move with the request when the manager re-queues it; a
    hash needs no state, so equal seeds give equal texts in any company.
    """
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


def _row_of(state: Any) -> _Row:
    # A re-queued request carries its earlier tokens at the end of its prompt.
    prompt = state._true_initial_tokens  # noqa: SLF001 - the manager has no other word for it
    earlier = state.initial_tokens[prompt:] if prompt else []
    choice = state.logit_processor_kwargs[ARGUMENT]
    if choice.constraint is not None:
        choice.constraint.follow([*earlier, *state.generated_tokens])
    is_penalised = choice.presence_penalty or choice.frequency_penalty
    return _Row(
        choice=choice,
        count=len(earlier) + len(state.generated_tokens),
        generated=[*earlier, *state.generated_tokens] if is_penalised else (),
    )


def _choose(logits: torch.Tensor, rows: Sequence[_Row]) -> torch.Tensor:
    """Return one token id per row, by inverting the cumulative distribution at the row's number.

    Tokens are taken in the order of their ids rather than of their probability: two tokens of
    nearly the same probability may swap places when other requests change the last bits of the
    logits, and in order of ids that moves no boundary noticeably.
    """
    options = {"dtype": torch.float64, "device": logits.device}
    temperature = torch.tensor([[row.choice.temperature] for row in rows], **options)
    top_p = torch.tensor([[row.choice.top_p] for row in rows], **options)
    number = torch.tensor([[uniform(row.choice.seed, row.count)] for row in rows], **options)
    # Double precision, with the maximum taken off first: no temperature above 0 overflows.
    wide = logits.double()
    probabilities = ((wide - wide.amax(-1, keepdim=True)) / temperature).softmax(-1)
    if any(row.choice.top_p < 1 for row in rows):
        probabilities = _nucleus(probabilities, top_p)
    cumulative = probabilities.cumsum(-1)
    total = cumulative[:, -1:]
    target = torch.minimum(number * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1)


def _nucleus(probabilities: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Keep the fewest most likely tokens whose probabilities reach top_p; at least one."""
    ordered, _ = probabilities.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = (before < top_p).sum(-1, keepdim=True).clamp(min=1)
    least = ordered.gather(-1, kept - 1)
    return probabilities.where((probabilities >= least) | (top_p >= 1), 0.0)
