"""Keep a set of named processes running, and leave none behind.

Knows nothing of what the processes are. Who starts, stops and orders them is the caller's business.
"""

import contextlib
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from dataclasses import dataclass, field, replace

from genie.core import exits
from genie.standalone import guardian, leftovers
from genie.standalone.errors import StandaloneError
from genie.standalone.process import ManagedProcess, ProcessSpec

logger = logging.getLogger(__name__)

Listener = Callable[[Mapping[str, int]], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Supervisor:
    """A set of processes that lives and dies with this object, and with this very process.

    `on_change` is called with the pids by name after every start and every exit, one call at a
    time, from the thread of the process concerned.
    """

    marker: str  # in the environment of every process, so that a later run can find leftovers
    on_change: Listener = lambda _: None
    say: Callable[[str], None] = logger.warning
    hurry: threading.Event = field(default_factory=threading.Event)
    _processes: dict[str, ManagedProcess] = field(default_factory=dict)
    _guardian: "subprocess.Popen[str] | None" = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self, spec: ProcessSpec) -> ManagedProcess:
        """Start a process without waiting until it is ready."""
        process = ManagedProcess(
            spec=replace(spec, env={**spec.env, leftovers.MARKER: self.marker}),
            on_start=lambda pid: self._started(spec.name, pid),
            on_exit=lambda pid, code, asked: self._exited(spec.name, pid, code=code, asked=asked),
        )
        with self._lock:
            self._processes[spec.name] = process
        process.start()
        return process

    def pids(self) -> dict[str, int]:
        """Return the running processes by name, in the order in which they were first started."""
        with self._lock:
            running = {name: process.pid for name, process in self._processes.items()}
        return {name: pid for name, pid in running.items() if pid is not None}

    def process(self, name: str) -> ManagedProcess:
        """Return one process by its name."""
        return self._processes[name]

    def check(self, *, exits: int) -> None:
        """Give up on a start when a process has ended that many times.

        Raises:
            StandaloneError: names the process and says what it wrote last.
        """
        with self._lock:
            failing = [one for one in self._processes.values() if one.exits >= exits]
        for process in failing:
            raise StandaloneError(process.explain("keeps ending"))

    def stop(self, names: Iterable[str]) -> list[str]:
        """Stop some processes side by side and return the names of those that had to be killed."""
        with self._lock:
            chosen = {name: self._processes[name] for name in names if name in self._processes}
        if not chosen:
            return []
        with futures.ThreadPoolExecutor(len(chosen)) as pool:
            ended = list(pool.map(lambda process: process.stop(self.hurry), chosen.values()))
        with self._lock:
            for name in chosen:
                del self._processes[name]
        return [name for name, in_time in zip(chosen, ended, strict=True) if not in_time]

    def stop_all(self, *stages: Iterable[str]) -> list[str]:
        """Stop everything: stage by stage by prefix of the name, then whatever is left."""
        killed: list[str] = []
        for stage in (*stages, ("",)):
            prefixes = tuple(stage)
            with self._lock:
                chosen = [name for name in self._processes if name.startswith(prefixes)]
            killed += self.stop(chosen)
        self.close()
        return killed

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one process."""
        self._processes[name].kill(number)

    def close(self) -> None:
        """Dismiss the guardian; call it after everything has been stopped."""
        with self._lock:
            keeper, self._guardian = self._guardian, None
        if keeper is not None:
            with contextlib.suppress(BrokenPipeError):
                keeper.communicate()

    def _started(self, name: str, pid: int) -> None:
        with self._lock:
            self._tell_guardian(f"watch {pid}")
            logger.debug("%s runs as process %d", name, pid)
            self.on_change(self.pids())

    def _exited(self, name: str, pid: int, *, code: int, asked: bool) -> None:
        with self._lock:
            self._tell_guardian(f"forget {pid}")
            if not asked:
                self.say(f"{name} (process {pid}) {_how(code)} and is started again")
            self.on_change(self.pids())

    def _tell_guardian(self, line: str) -> None:
        if self._guardian is None or self._guardian.poll() is not None:
            self._guardian = _start_guardian()
            line = "\n".join([line, *(f"watch {pid}" for pid in self.pids().values())])
        pipe = self._guardian.stdin
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # it died this instant; the next call renews
                pipe.write(line + "\n")
                pipe.flush()


def _how(code: int) -> str:
    if code == exits.REPLACE:  # it gave its work back first, and says why in its log
        return "asked to be replaced"
    return f"ended with signal {-code}" if code < 0 else f"ended with exit status {code}"


def _start_guardian() -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-I", "-S", guardian.__file__, str(guardian.GRACE_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
