"""What this machine says of itself at a scrape: its GPUs, by NVIDIA's library, and the disk of the files.

Where there is no GPU, no driver or no library, nothing is said of GPUs: absent, not zero.
"""

import importlib
import logging
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from genie.core.metrics import Reading

logger = logging.getLogger(__name__)

GPU_USED = Reading(
    name="genie_gpu_memory_used_bytes", says="Memory of a GPU that is taken", labels=("gpu",)
)
GPU_SIZE = Reading(name="genie_gpu_memory_size_bytes", says="Memory of a GPU", labels=("gpu",))
GPU_BUSY = Reading(
    name="genie_gpu_busy_ratio",
    says="Share of the last moments in which a GPU computed, as its driver samples it; absent for a"
    " part of a GPU (MIG)",
    labels=("gpu",),
)
DISK_FREE = Reading(
    name="genie_disk_free_bytes",
    says="Free space of the disk that has the files of jobs; absent where they are in a bucket",
)
DISK_SIZE = Reading(
    name="genie_disk_size_bytes", says="Size of the disk that has the files of jobs"
)
READINGS = (GPU_USED, GPU_SIZE, GPU_BUSY, DISK_FREE, DISK_SIZE)


def family(reading: Reading) -> GaugeMetricFamily:
    """Return the gauge of a reading, without values."""
    return GaugeMetricFamily(reading.name, reading.says, labels=reading.labels)


class Machine(Collector):
    """Reads the GPUs and the disk when it is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return what there is."""
        yield from _gpus()
        yield from _disk()


def _disk() -> Iterator[GaugeMetricFamily]:
    if settings.GENIE_FILES_BUCKET:
        return
    place = Path(settings.GENIE_FILES_DIR)
    while not place.exists():  # no file has been kept yet
        place = place.parent
    usage = shutil.disk_usage(place)
    for reading, value in ((DISK_FREE, usage.free), (DISK_SIZE, usage.total)):
        gauge = family(reading)
        gauge.add_metric([], value)
        yield gauge


def _gpus() -> Iterator[GaugeMetricFamily]:
    library = nvidia()
    if library is None:
        return
    used, size, busy = family(GPU_USED), family(GPU_SIZE), family(GPU_BUSY)
    for number in range(library.nvmlDeviceGetCount()):
        try:
            device = library.nvmlDeviceGetHandleByIndex(number)
            memory = library.nvmlDeviceGetMemoryInfo(device)
        except library.NVMLError as error:  # it has fallen off the bus; its neighbours have not
            logger.warning("GPU %d says nothing of its memory: %s", number, error)
            continue
        used.add_metric([str(number)], memory.used)
        size.add_metric([str(number)], memory.total)
        if (ratio := _busy(library, device)) is not None:
            busy.add_metric([str(number)], ratio)
    yield from (used, size, busy)


def _busy(library: ModuleType, device: Any) -> float | None:
    try:
        return float(library.nvmlDeviceGetUtilizationRates(device).gpu) / 100
    except library.NVMLError:  # parts of a GPU (MIG) do not say
        return None


@lru_cache(maxsize=1)
def nvidia() -> ModuleType | None:
    """Return NVIDIA's management library, ready to be asked; None where there is no GPU to ask about."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        library.nvmlInit()
    except library.NVMLError:
        return None
    return library
