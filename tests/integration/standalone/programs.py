"""Small programs that the supervisor's tests run instead of servers."""

import sys
from collections.abc import Mapping
from pathlib import Path

from genie.standalone.process import ProcessSpec, StopStep

PRELUDE = "import os, pathlib, signal, subprocess, sys, time\n"
# Writes its own pid and a line per signal, so that tests can see what happened to it.
LOYAL = """
def note(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")
def on_term(*_):
    note("term"); sys.exit(0)
signal.signal(signal.SIGTERM, on_term)
note("start")
while True:
    signal.pause()
"""
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text("start\\n")
while True:
    signal.pause()
"""
# A child in the same group that would outlive its parent, as an embedded beat would.
PARENT = """
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path(sys.argv[1]).write_text(f"start\\n{child.pid}\\n")
while True:
    signal.pause()
"""
FAILING = 'print("the disk is on fire"); sys.exit(3)'


def spec(
    name: str, body: str, directory: Path, *, stop: tuple[StopStep, ...] | None = None
) -> ProcessSpec:
    """Describe a program that is ready once it has written to `directory/NAME`."""
    marks = directory / name
    env: Mapping[str, str] = {"PATH": "/usr/bin:/bin"}
    base = ProcessSpec(
        name=name,
        argv=(sys.executable, "-c", PRELUDE + body, str(marks)),
        env=env,
        cwd=directory,
        log_path=directory / f"{name}.log",
        ready=lambda: marks.exists() and marks.read_text().startswith("start"),
        ready_timeout_s=20.0,
    )
    if stop is None:
        return base
    return ProcessSpec(
        name=name,
        argv=base.argv,
        env=env,
        cwd=directory,
        log_path=base.log_path,
        ready=base.ready,
        stop=stop,
    )
