"""GPUs are told of where NVIDIA's library answers, and absent elsewhere; the disk is that of the files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genie.core import machine
from genie.core.machine import Machine


class Away(Exception):
    """What the library raises."""


class Library:
    """Three devices: one that says all, a part of one (MIG), one that has fallen off the bus."""

    NVMLError = Away

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library's names
        return 3

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:  # noqa: N802
        if number == 2:
            raise Away
        return number

    def nvmlDeviceGetMemoryInfo(self, device: int) -> Any:  # noqa: N802
        return SimpleNamespace(used=device * 100 + 10, total=1000)

    def nvmlDeviceGetUtilizationRates(self, device: int) -> Any:  # noqa: N802
        if device == 1:
            raise Away
        return SimpleNamespace(gpu=75)


def read() -> dict[tuple[str, ...], float]:
    return {
        (one.name, *one.labels.values()): one.value
        for family in Machine().collect()
        for one in family.samples
    }


def test_each_gpu_says_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia", Library)

    found = {name: value for name, value in read().items() if name[0].startswith("genie_gpu")}

    assert found == {
        ("genie_gpu_memory_used_bytes", "0"): 10,
        ("genie_gpu_memory_used_bytes", "1"): 110,
        ("genie_gpu_memory_size_bytes", "0"): 1000,
        ("genie_gpu_memory_size_bytes", "1"): 1000,
        ("genie_gpu_busy_ratio", "0"): 0.75,
    }


def test_without_a_gpu_there_are_no_gpu_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: None)

    assert not [name for name in read() if name[0].startswith("genie_gpu")]


def test_the_disk_is_known_before_the_first_file(settings: Any, tmp_path: Path) -> None:
    settings.GENIE_FILES_DIR = str(tmp_path / "not" / "yet")

    found = read()

    assert 0 < found["genie_disk_free_bytes",] <= found["genie_disk_size_bytes",]


def test_a_bucket_has_no_disk(settings: Any) -> None:
    settings.GENIE_FILES_BUCKET = "results"

    assert ("genie_disk_free_bytes",) not in read()
