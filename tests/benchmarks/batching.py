"""Measures what batching is worth: 1, 8, 32 and 64 chats of 64 tokens at once.

    python -m tests.benchmarks.batching [--models FILE] [--model ID] [--sizes 1,8] [--json FILE]

Without the checkpoint of the models file it builds one with random weights, of the same kind.
"""

import argparse
import dataclasses
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from inference import registry
from inference.backends.transformers import ChatBackend
from inference.specs import ModelSpec
from inference.types import ChatRequest, ChatResult, SamplingParams, TokenLogprob
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

TOKENS = 64
SIZES = (1, 8, 32, 64)
ROUNDS = 5  # the median of these counts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Medians for one number of chats at once."""

    chats: int
    seconds: float  # until the last chat ended
    first_delta_seconds: float  # until the last chat had its first text
    tokens_per_second: float
    times_one: float  # seconds, as a multiple of the seconds of one chat


def measure(
    backend: ChatBackend, model_id: str, *, sizes: Sequence[int], rounds: int
) -> list[Figures]:
    """Return the figures for each number of chats, after one round to warm up."""
    run(backend, model_id, max(sizes))
    found: list[Figures] = []
    for size in sizes:
        runs = [run(backend, model_id, size) for _ in range(rounds)]
        seconds = statistics.median(total for total, _ in runs)
        found.append(
            Figures(
                chats=size,
                seconds=round(seconds, 4),
                first_delta_seconds=round(statistics.median(first for _, first in runs), 4),
                tokens_per_second=round(size * TOKENS / seconds, 1),
                times_one=round(seconds / found[0].seconds, 2) if found else 1.0,
            )
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=Path, default=Path("inference/models.toml"))
    parser.add_argument("--model", default="genie-tiny-chat")
    parser.add_argument("--sizes", type=_sizes, default=SIZES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as scratch:
        spec = _spec(options.models, options.model, Path(scratch))
        backend = ChatBackend(spec)
        started = time.perf_counter()
        backend.load()
        load_seconds = round(time.perf_counter() - started, 3)
        figures = measure(backend, spec.id, sizes=options.sizes, rounds=options.rounds)
        backend.close(timeout_s=30)
    report = {
        "model": spec.id,
        "load_seconds": load_seconds,
        "figures": [dataclasses.asdict(each) for each in figures],
    }
    _print(report, figures)
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


class _TimedListener(RecordingListener):
    """Notes when the first text came."""

    first_at: float | None = None

    def on_delta(
        self, text: str, *, completion_tokens: int, logprobs: Sequence[TokenLogprob] = ()
    ) -> None:
        """Take text, and note the time of the first."""
        if self.first_at is None:
            self.first_at = time.perf_counter()
        super().on_delta(text, completion_tokens=completion_tokens, logprobs=logprobs)


def run(
    backend: ChatBackend, model_id: str, size: int, *, tokens: int = TOKENS
) -> tuple[float, float]:
    """Run chats at once; return the seconds to the last end, and to the last first text."""
    started = time.perf_counter()
    listeners = [_TimedListener() for _ in range(size)]
    for number, listener in enumerate(listeners):
        backend.submit(request_for(model_id, number, tokens=tokens), listener)
    outcomes = [listener.wait(600) for listener in listeners]
    ended = time.perf_counter()
    wrong = [outcome for outcome in outcomes if not isinstance(outcome, ChatResult)]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {size} chats failed: {wrong[0]}")
    first = max(listener.first_at or ended for listener in listeners)
    return ended - started, first - started


def request_for(model_id: str, number: int, *, tokens: int = TOKENS) -> ChatRequest:
    """Return one of the chats: so many tokens, whatever the model would say."""
    return ChatRequest(
        request_id=f"bench-{number}",
        model=model_id,
        messages=({"role": "user", "content": f"Tell me something about number {number}."},),
        sampling=SamplingParams(
            max_tokens=tokens, min_tokens=tokens, temperature=0.8, top_p=0.95, seed=number
        ),
    )


def _spec(models: Path, model_id: str, scratch: Path) -> ModelSpec:
    spec = registry.load_registry(models).get(model_id)
    if spec.directory is None or (spec.directory / "config.json").is_file():
        return spec
    sys.stderr.write(f"{model_id} is not built; measuring random weights of the same kind.\n")
    source = builders.build_chat_checkpoint(scratch, hidden=192, layers=4)
    return dataclasses.replace(spec, source=str(source))


def _print(report: dict[str, object], figures: Sequence[Figures]) -> None:
    lines = [
        f"{report['model']}: loaded in {report['load_seconds']} s, {TOKENS} tokens per chat",
        f"{'chats':>6} {'seconds':>9} {'first text':>11} {'tokens/s':>10} {'x one':>7}",
    ]
    lines += [
        f"{each.chats:>6} {each.seconds:>9.3f} {each.first_delta_seconds:>11.3f}"
        f" {each.tokens_per_second:>10.0f} {each.times_one:>7.2f}"
        for each in figures
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
