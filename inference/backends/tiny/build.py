"""Builds the tiny checkpoints, and checks those that are measured: the one entry point of this package.

It runs as a management command, as `python -m inference.backends.tiny.build`, or as a function call.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import rich.console
import torch

from inference.backends.tiny import (
    chat_building,
    checking,
    embedding_building,
    image_building,
    reporting,
    rerank_building,
    speech_building,
    transcription_building,
    video_building,
)

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
CHAT, EMBEDDING = "genie-tiny-chat", "genie-tiny-embedding"
SDXL, FLUX, WAN, LTX = "genie-tiny-sdxl", "genie-tiny-flux", "genie-tiny-wan", "genie-tiny-ltx"
SPEECH, TRANSCRIPTION = "genie-tiny-speech", "genie-tiny-transcription"
RERANK = "genie-tiny-rerank"
NAMES = (EMBEDDING, CHAT, SDXL, FLUX, WAN, LTX, SPEECH, TRANSCRIPTION, RERANK)
THREADS = 2  # the shipped checkpoints were built with two; sums in another order round otherwise


def build(*, output: Path = CHECKPOINTS, only: str | None = None, threads: int = THREADS) -> None:
    """Build the checkpoints into directories of `output`, replacing what is there.

    Args:
        output: where the directories go.
        only: the name of one, to build just that.
        threads: of the processor; part of what makes a build repeatable.
    """
    _make_repeatable(threads)
    console = rich.console.Console()
    for name, build_one in _builders(console).items():
        if only in (None, name):
            build_one(output / name)


def check(
    *, output: Path = CHECKPOINTS, count: int = 300, seed: int, threads: int = THREADS
) -> bool:
    """Say whether the checkpoints still reach their shares on held-out prompts, and print a table.

    Args:
        output: where the checkpoints are.
        count: prompts of each kind.
        seed: draws the prompts; any number gives prompts that were not trained on.
        threads: of the processor.
    """
    torch.set_num_threads(threads)
    report = checking.check(
        checking.Checkpoints(
            chat=output / CHAT,
            embedding=output / EMBEDDING,
            speech=output / SPEECH,
            transcription=output / TRANSCRIPTION,
            rerank=output / RERANK,
        ),
        count=count,
        seed=seed,
    )
    reporting.show(report, console=rich.console.Console())
    return report.passed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that the command line and the management command share."""
    parser.add_argument(
        "--check", action="store_true", help="measure the checkpoints, build nothing"
    )
    parser.add_argument("--only", choices=NAMES, help="build just this one")
    parser.add_argument(
        "--output", type=Path, default=CHECKPOINTS, help="directory of the checkpoints"
    )
    parser.add_argument("--threads", type=int, default=THREADS, help="processor threads")
    parser.add_argument("--count", type=int, default=300, help="with --check: prompts of each kind")
    parser.add_argument("--seed", type=int, default=1, help="with --check: which prompts")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask, and return the exit status: 1 when a check falls short."""
    if not options.check:
        build(output=options.output, only=options.only, threads=options.threads)
        return 0
    passed = check(
        output=options.output, count=options.count, seed=options.seed, threads=options.threads
    )
    return 0 if passed else 1


def _builders(console: rich.console.Console) -> dict[str, Callable[[Path], None]]:
    """Return how each checkpoint's directory is made; docs/tiny-models.md says which are trained."""
    return {
        EMBEDDING: lambda directory: embedding_building.build(directory, console=console),
        CHAT: lambda directory: chat_building.build(directory, console=console),
        SDXL: image_building.build_sdxl,
        FLUX: image_building.build_flux,
        WAN: video_building.build_wan,
        LTX: video_building.build_ltx,
        SPEECH: lambda directory: speech_building.build(directory, console=console),
        TRANSCRIPTION: lambda directory: transcription_building.build(directory, console=console),
        RERANK: lambda directory: rerank_building.build(directory, console=console),
    }


def _make_repeatable(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing reads it; filling is slow


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="build_models", description=__doc__)
    add_arguments(_parser)
    sys.exit(run(_parser.parse_args()))
