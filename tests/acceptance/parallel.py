"""Run the same call from many threads at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def together(count: int, call: Callable[[int], T], *, threads: int = 0) -> list[T]:
    """Return the answers of `call(0)` to `call(count - 1)`, all let loose at the same moment."""
    workers = threads or count
    gate = threading.Barrier(workers)

    def wait_then_call(number: int) -> T:
        if number < workers:
            gate.wait(30)
        return call(number)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(wait_then_call, range(count)))
