"""Measures models of real sizes on one CUDA device, and writes docs/benchmarks-gpu.md.

    python -m tests.benchmarks.gpu [--only chat,images,videos] [--small] [--write FILE]

The weights are random: nothing is downloaded, and a step takes as long. `--small` measures the tiny
models that are shipped instead, on any machine, to try the measurements themselves.
A measure is a function from a `Setting` to a `Section`; add one to MEASURES.
"""

import argparse
import datetime as dt
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import diffusers
import torch
import transformers
from rich.console import Console
from rich.table import Table

from tests.benchmarks import gpu_chat, gpu_media
from tests.benchmarks.gpu_sections import Section, Setting

MEASURES: dict[str, Callable[[Setting], Section]] = {
    "chat": gpu_chat.chat,
    "images": gpu_media.images,
    "videos": gpu_media.videos,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen measures, and print or write them; 2 where there is no device for them."""
    options = _options(arguments)
    logging.disable(logging.WARNING)
    console = Console(file=sys.stderr)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.small:
        console.print("There is no CUDA device, so nothing was measured. Try --small.")
        return 2
    setting = Setting(device=device, is_small=options.small)
    sections = []
    for name in options.only:
        with console.status(f"measuring {name}"):
            section = MEASURES[name](setting)
        console.print(_table(section))
        sections.append(section)
    if options.write:
        options.write.write_text(_page(sections, setting), encoding="utf-8")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(MEASURES))
    parser.add_argument("--small", action="store_true", help="the shipped tiny models, anywhere")
    parser.add_argument("--write", type=Path, help="also write a Markdown page")
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - MEASURES.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return options


def _table(section: Section) -> Table:
    table = Table(title=section.title)
    for heading in section.headings:
        table.add_column(heading, justify="right")
    for row in section.rows:
        table.add_row(*row)
    return table


def _page(sections: Sequence[Section], setting: Setting) -> str:
    head = (
        f"Written by `make bench-gpu` on {dt.datetime.now(dt.UTC).date()}: {_machine(setting)}; torch "
        f"{torch.__version__}, transformers {transformers.__version__}, diffusers "
        f"{diffusers.__version__}. Weights are random, in bfloat16, of the named models' sizes."
    )
    lines = ["# Benchmarks on a GPU", "", head]
    for section in sections:
        lines += ["", f"## {section.title}", "", _cells(section.headings)]
        lines += ["| " + " | ".join(["---"] + ["---:"] * (len(section.headings) - 1)) + " |"]
        lines += [_cells(row) for row in section.rows]
        lines += ["", section.note] if section.note else []
    return "\n".join(lines) + "\n"


def _cells(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


def _machine(setting: Setting) -> str:
    if setting.device == "cpu":
        return "no GPU, the tiny models"
    properties = torch.cuda.get_device_properties(0)
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    )


if __name__ == "__main__":
    sys.exit(main())
