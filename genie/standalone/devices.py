"""Which NVIDIA devices this machine has, without loading torch or a driver's library here."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

PROC = Path("/proc/driver/nvidia/gpus")  # one directory for each device, while the driver is loaded
_LIMIT_S = 20.0  # nvidia-smi wakes sleeping devices, which takes seconds
_LINE = re.compile(r"GPU (\d+): ")


def visible(env: Mapping[str, str], *, proc: Path = PROC) -> list[str]:
    """Return the devices that workers started with this environment may use, as CUDA names them.

    What `CUDA_VISIBLE_DEVICES` already says counts; it may also hide every device.
    """
    if "CUDA_VISIBLE_DEVICES" in env:
        named = [part.strip() for part in env["CUDA_VISIBLE_DEVICES"].split(",")]
        return [name for name in named if name and name != "-1"]
    return _listed(env) or _found(proc)


def _listed(env: Mapping[str, str]) -> list[str]:
    program = shutil.which("nvidia-smi", path=env.get("PATH"))
    if program is None:
        return []
    try:
        answer = subprocess.run(  # noqa: S603 - the driver's own program
            [program, "-L"], capture_output=True, text=True, timeout=_LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []  # a program without a driver: there is no device to use
    return _LINE.findall(answer.stdout)


def _found(proc: Path) -> list[str]:
    """Return the numbers of the driver's devices; containers often lack nvidia-smi."""
    try:
        return [str(number) for number, _ in enumerate(sorted(proc.iterdir()))]
    except OSError:
        return []
