"""What exceptions of torch and CUDA mean, by the words that they use."""

import pytest

from inference import faults
from inference.errors import DeviceLost, GenerationFailed, OutOfMemory


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


OUT_OF_MEMORY = [
    MemoryError(),
    OutOfMemoryError("no words"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
]
LOST = [
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("CUDA error: unspecified launch failure"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_lack_of_memory_is_recognised(error: Exception) -> None:
    assert isinstance(faults.failure_of(error, doing="answered"), OutOfMemory)


@pytest.mark.parametrize("error", LOST)
def test_a_device_that_is_lost_is_recognised(error: Exception) -> None:
    assert isinstance(faults.failure_of(error, doing="answered"), DeviceLost)
    assert isinstance(faults.failure_of(str(error), doing="answered"), DeviceLost)


def test_anything_else_is_a_failure_that_shows_nothing_of_itself() -> None:
    found = faults.failure_of(ValueError("/srv/secret"), doing="answered")

    assert isinstance(found, GenerationFailed)
    assert found.message == "The model failed while it answered."


def test_the_cause_of_a_wrapped_error_counts() -> None:
    wrapped = ValueError("generation failed")
    wrapped.__cause__ = LOST[0]

    assert faults.is_device_lost(wrapped)
