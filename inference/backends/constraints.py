"""Holds the answers of one model to their grammars: which tokens may come next.

The compiler belongs to a loaded model; a constraint belongs to one request and moves with its
tokens. See ``inference.structured`` for what a grammar is and what it may cost.
"""

import collections
import threading
from collections.abc import Collection, Sequence
from typing import Any

import llguidance
import torch
from llguidance.torch import allocate_token_bitmask, fill_next_token_bitmask

from inference import structured
from inference.errors import InputRejected
from inference.prompt_tokenizer import PromptTokenizer

_COMPILED = 128  # grammars that a model keeps
_SILENT = 0  # its warnings quote the text, and a log line must never hold an answer


class Constraint:
    """One request's place in its grammar. Only the thread that runs the model moves it."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self._taken = 0
        self.has_failed = False  # the grammar went beyond its limits: the answer must end

    def follow(self, generated: Sequence[int]) -> None:
        """Take the tokens that have come since the last call; `generated` are all so far."""
        fresh = list(generated[self._taken :])
        self._taken = len(generated)
        if fresh and not self._matcher.consume_tokens(fresh):
            self.has_failed = True

    def fill(self, mask: torch.Tensor, row: int) -> None:
        """Write into a row of the mask (int32, 32 tokens a word) what may come next."""
        if not self.has_failed:
            fill_next_token_bitmask(self._matcher, mask, row)
            self.has_failed = self._matcher.is_error()
        if self.has_failed:
            mask[row].zero_()


class Compiler:
    """Knows one vocabulary: compiles grammars for it, each once as long as it is remembered."""

    def __init__(
        self, tokenizer: PromptTokenizer, *, vocabulary: int, end_ids: Collection[int]
    ) -> None:
        self._raw = tokenizer.raw
        self._tokenizer = llguidance.LLTokenizer(
            tokenizer.raw.to_str(), n_vocab=vocabulary, eos_token=sorted(end_ids)
        )
        self._compiled: collections.OrderedDict[str, Any] = collections.OrderedDict()
        self._lock = threading.Lock()

    def constraint(self, grammar: str) -> Constraint:
        """Return a fresh constraint; compiling takes some tens of milliseconds at most.

        Raises:
            InputRejected: the grammar cannot be compiled, which web processes find out before.
        """
        with self._lock:
            matcher = self._compiled.get(grammar)
            if matcher is None:
                matcher = self._compile(grammar)
            self._compiled[grammar] = matcher
            self._compiled.move_to_end(grammar)
            while len(self._compiled) > _COMPILED:
                self._compiled.popitem(last=False)
            return Constraint(matcher.deep_copy())

    def spell(self, token_id: int) -> tuple[str, bytes]:
        """Return a token's text, and its bytes, which may be part of a character."""
        if self._tokenizer.is_special_token(token_id):
            text = self._raw.id_to_token(token_id) or ""
            return text, text.encode()
        raw = bytes(self._tokenizer.decode_bytes([token_id]))
        return raw.decode(errors="replace"), raw

    def _compile(self, grammar: str) -> Any:
        matcher = llguidance.LLMatcher(
            self._tokenizer, grammar, limits=structured.LIMITS, log_level=_SILENT
        )
        if matcher.is_error():
            raise InputRejected(
                "The schema of the answer cannot be compiled; make it simpler.",
                field="response_format",
            )
        return matcher


def allowed(constraints: Sequence[Constraint], *, vocabulary: int, device: Any) -> torch.Tensor:
    """Return what may come next for each constraint: bool, [constraints, vocabulary], on device.

    The library's own way to apply a mask is compiled by torch, for which a worker would need a C
    compiler; unpacking the bits takes three ordinary operations.
    """
    mask = allocate_token_bitmask(len(constraints), vocabulary)
    for row, constraint in enumerate(constraints):
        constraint.fill(mask, row)
    places = torch.arange(32, dtype=torch.int32, device=device)
    bits = (mask.to(device).unsqueeze(-1) >> places) & 1
    return bits.flatten(1)[:, :vocabulary].bool()
