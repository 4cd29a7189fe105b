"""What an exception of a model's library means: out of memory, a device that is lost, or neither.

Knows no torch: it goes by the names of classes and by the words that torch, CUDA and cuBLAS use, and
so it can read errors that reach us as text alone.
"""

import re

from inference.errors import DeviceLost, GenerationFailed, InferenceError, OutOfMemory

_OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CUDNN_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
# After one of these every further call on the device fails, whatever it is: CUDA keeps the error for
# the life of the process ("sticky"). https://docs.nvidia.com/cuda/cuda-runtime-api, cudaError_t.
_DEVICE_LOST = re.compile(
    r"illegal memory access|cudaErrorIllegalAddress|device-side assert|cudaErrorAssert"
    r"|misaligned address|illegal instruction was encountered|invalid program counter"
    r"|unspecified launch failure|cudaErrorLaunchFailure|launch timed out|hardware stack error"
    r"|uncorrectable ECC|cudaErrorECCUncorrectable|fell off the bus|cudaErrorDevicesUnavailable"
    r"|uncorrectable NVLink|CUBLAS_STATUS_EXECUTION_FAILED|CUBLAS_STATUS_INTERNAL_ERROR"
    r"|CUDNN_STATUS_EXECUTION_FAILED|CUDNN_STATUS_INTERNAL_ERROR|CUBLAS_STATUS_NOT_INITIALIZED",
    re.IGNORECASE,
)
_OUT_OF_MEMORY_CLASSES = frozenset({"OutOfMemoryError", "MemoryError"})  # of torch and of Python


def is_out_of_memory(error: BaseException | str) -> bool:
    """Tell whether an error, or its text, says that memory ran out."""
    return any(
        _is_of(one, _OUT_OF_MEMORY_CLASSES) or _OUT_OF_MEMORY.search(str(one)) is not None
        for one in _chain(error)
    )


def is_device_lost(error: BaseException | str) -> bool:
    """Tell whether an error, or its text, says that the process cannot use its device any more."""
    return any(_DEVICE_LOST.search(str(one)) is not None for one in _chain(error))


def failure_of(error: BaseException | str, *, doing: str) -> InferenceError:
    """Return what a caller is told about an exception.

    Args:
        error: The exception, or its text.
        doing: What the model did, to end the sentence: "answered", "made the picture".
    """
    if is_device_lost(error):
        return DeviceLost(f"The device failed while the model {doing}.")
    if is_out_of_memory(error):
        return OutOfMemory(f"The device ran out of memory while the model {doing}.")
    return GenerationFailed(f"The model failed while it {doing}.")


def _chain(error: BaseException | str) -> list[BaseException | str]:
    """Return an error and what caused it: libraries wrap the one that says what happened."""
    found: list[BaseException | str] = [error]
    while isinstance(error, BaseException) and (cause := error.__cause__ or error.__context__):
        if any(one is cause for one in found):
            break
        found.append(cause)
        error = cause
    return found


def _is_of(error: BaseException | str, names: frozenset[str]) -> bool:
    return isinstance(error, BaseException) and not names.isdisjoint(
        kind.__name__ for kind in type(error).__mro__
    )
