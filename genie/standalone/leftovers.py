"""End processes of an earlier run that outlived it, before a new run touches the same data."""

import contextlib
import os

import psutil

MARKER = "GENIE_SUPERVISED"
GRACE_S = 10.0


def end(marker: str) -> list[str]:
    """End every process that carries the marker in its environment, and return their names.

    Only the holder of the state's lock may call this: then nobody else has a right to run them.
    """
    found = [process for process in psutil.process_iter() if _is_ours(process, marker)]
    names = []
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            names.append(f"{process.name()} ({process.pid})")
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=GRACE_S)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=GRACE_S)
    return names


def _is_ours(process: psutil.Process, marker: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        return process.environ().get(MARKER) == marker
    except (psutil.Error, OSError):
        return False
