"""The device of this process: whether there is one, how much memory it has, and giving it back."""

import os

import torch

BUDGET_VARIABLE = "GENIE_WORKER_MEMORY_BYTES"


def has_cuda() -> bool:
    """Tell whether this process has a CUDA device."""
    return bool(torch.cuda.is_available())


def total_bytes() -> int:
    """Return the memory of all CUDA devices that this process may use."""
    return sum(
        int(torch.cuda.get_device_properties(number).total_memory)
        for number in range(torch.cuda.device_count())
    )


def free_bytes(device: torch.device) -> int:
    """Return what a model may still take on a CUDA device: what is free, within the budget."""
    free = int(torch.cuda.mem_get_info(device)[0])
    budget = os.environ.get(BUDGET_VARIABLE)
    if budget is None:
        return free
    return max(0, min(free, int(budget) - int(torch.cuda.memory_allocated(device))))


def empty_cache() -> None:
    """Give memory that nothing uses back to the device."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def size_of(*modules: torch.nn.Module) -> int:
    """Return the bytes of the parameters and buffers of some modules; what they share counts once."""
    tensors = {
        tensor.data_ptr(): tensor
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
    }
    return sum(int(tensor.numel() * tensor.element_size()) for tensor in tensors.values())
