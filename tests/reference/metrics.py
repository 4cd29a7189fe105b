"""The page of metrics, made of what the parts count and read for Prometheus."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from tests.reference import markdown

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("genie", "jobs", "budgets", "inference", "webhooks")
_MARKS = ("prometheus_client", "Reading")  # of a module that may have metrics
_PREFIX = "genie_"

Row = tuple[str, str, tuple[str, ...], str]  # name, kind, labels, meaning


def page() -> str:
    """Return the page."""
    rows = [
        [markdown.code(name), kind, markdown.listed(labels), markdown.sentence(said)]
        for name, kind, labels, said in sorted(found())
    ]
    return markdown.page(
        "Metrics",
        "What processes count and measure, under the names of Prometheus. "
        "[Operations](../operations.md#what-to-watch) says what to watch.",
        markdown.table(["metric", "kind", "labels", "meaning"], rows),
    )


def found() -> set[Row]:
    """Return every metric that a module of ours has."""
    return {
        row
        for name in _modules()
        for value in list(vars(importlib.import_module(name)).values())
        for one in (value if isinstance(value, list | tuple) else (value,))
        for row in _rows(one)
        if row[0].startswith(_PREFIX)
    }


def _rows(one: object) -> Iterator[Row]:
    """Yield what a value of a module is as a metric, if it is one."""
    if isinstance(one, MetricWrapperBase):
        kind = str(one._type)
        ending = "_total" if kind == "counter" else ""
        yield one._name + ending, kind, tuple(one._labelnames), one._documentation
    elif type(one).__name__ == "Reading":  # of what a scrape reads, in one value
        yield one.name, one.kind, tuple(one.labels), one.says  # type: ignore[attr-defined]


def _modules() -> Iterator[str]:
    """Yield the modules that may have metrics, by their sources."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if any(mark in path.read_text("utf-8") for mark in _MARKS):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts)
