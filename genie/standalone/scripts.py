"""Run a Python program of ours to its end, and turn a failure into one sentence."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from genie.standalone.errors import StandaloneError


def python(*argv: str, env: Mapping[str, str], cwd: Path, log: Path) -> str:
    """Return what `python ARGV` printed.

    Raises:
        StandaloneError: it failed; its whole output is in the log.
    """
    result = subprocess.run(  # noqa: S603 - argv is ours
        [sys.executable, *argv],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for us to pass on
    )
    if result.returncode:
        log.write_text(result.stdout + result.stderr, "utf-8")
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {result.returncode}"
        raise StandaloneError(f"`{' '.join(argv)}` failed (log: {log}): {reason}")
    return result.stdout
