"""One supervised process: started, watched, restarted with back-off, stopped by steps.

Each process has a thread of its own that spawns it and waits for it. The kernel's parent-death
signal follows the *thread* that forked, so that thread must live as long as its child does.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from genie.standalone import guardian, launch
from genie.standalone.errors import StandaloneError

LOG_LIMIT_BYTES = 20 * 1024 * 1024  # a longer log is moved aside when its process is started
BACKOFF_FIRST_S = 0.5
BACKOFF_LIMIT_S = 30.0
HEALTHY_AFTER_S = 30.0  # a process that ran this long starts again at the first delay
POLL_S = 0.05
LOG_TAIL_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """The user a process drops to; only root can ask for it."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStep:
    """Send `signal`, then wait up to `wait_s` before the next step; SIGKILL comes after the last."""

    signal: signal.Signals
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to run and how to stop it.

    `argv[0]` is an absolute path. Output goes to `log_path`, or where ours goes when it is None.
    `orphan_signal` is what the process receives when its supervisor
    is killed. `ready` is asked repeatedly, from another thread, until it answers True.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log_path: Path | None
    run_as: RunAs | None = None
    pass_fds: tuple[int, ...] = ()
    orphan_signal: signal.Signals = signal.SIGTERM
    stop: tuple[StopStep, ...] = (StopStep(signal=signal.SIGTERM, wait_s=10.0),)
    ready: Callable[[], bool] | None = None
    ready_timeout_s: float = 60.0
    hurries: bool = True  # a database finishes its shutdown even when the user is in a hurry


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Delays that double from half a second to half a minute, and reset after a healthy run."""

    failures: int = 0

    def next_delay_s(self, *, uptime_s: float) -> float:
        """Return how long to wait before the next start.

        >>> backoff = Backoff()
        >>> [backoff.next_delay_s(uptime_s=0.0) for _ in range(4)]
        [0.5, 1.0, 2.0, 4.0]
        >>> backoff.next_delay_s(uptime_s=60.0)
        0.5
        """
        if uptime_s >= HEALTHY_AFTER_S:
            self.failures = 0
        delay_s = min(BACKOFF_LIMIT_S, BACKOFF_FIRST_S * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return delay_s


@dataclass(slots=True, kw_only=True, eq=False)
class ManagedProcess:
    """A process that is kept running until `stop` is called."""

    spec: ProcessSpec
    on_start: Callable[[int], None]
    on_exit: Callable[[int, int, bool], None]  # pid, status, whether it was asked to stop
    exits: int = 0
    _popen: "subprocess.Popen[bytes] | None" = None
    _backoff: Backoff = field(default_factory=Backoff)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failure: str = ""

    @property
    def pid(self) -> int | None:
        """Return the pid of the running process, or None between two runs."""
        popen = self._popen
        return popen.pid if popen is not None and popen.returncode is None else None

    def start(self) -> None:
        """Start the process and the thread that keeps it running."""
        name = f"supervise-{self.spec.name}"
        threading.Thread(target=self._keep_running, name=name, daemon=True).start()

    def wait_ready(self) -> None:
        """Block until the readiness probe answers True.

        Raises:
            StandaloneError: it exited first, or did not get ready in time.
        """
        deadline = time.monotonic() + self.spec.ready_timeout_s
        while not self._is_ready():
            if self.exits or self._failure:
                raise StandaloneError(self.explain("did not start"))
            if time.monotonic() > deadline:
                limit = f"{self.spec.ready_timeout_s:g} s"
                raise StandaloneError(self.explain(f"was not ready after {limit}"))
            self._ended.wait(POLL_S)

    def stop(self, hurry: threading.Event) -> bool:
        """End the process for good and report whether it ended before it had to be killed.

        Args:
            hurry: once set, the waiting is over and the process is killed.
        """
        with self._lock:
            self._stopping.set()
        for step in self.spec.stop:
            self._signal(step.signal)
            if self._wait_ended(step.wait_s, hurry):
                return True
        self._kill_group()
        self._ended.wait(10.0)
        return False

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process itself; it is restarted if it dies of it."""
        self._signal(number)

    def explain(self, what: str) -> str:
        """Return a sentence about this process, with the last thing it wrote."""
        log = self.spec.log_path
        reason = self._failure or (tail(log) if log else "") or "it wrote no message"
        return f"{self.spec.name} {what} (log: {log}): {reason}"

    def _keep_running(self) -> None:
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                if self._spawn():
                    self._await_exit()
                self._stopping.wait(self._backoff.next_delay_s(uptime_s=time.monotonic() - began))
        finally:
            self._ended.set()

    def _spawn(self) -> bool:
        with self._lock:
            if self._stopping.is_set():
                return False
            try:
                self._popen = self._open()
            except OSError as error:
                self._failure = str(error)
                return False
        self.on_start(self._popen.pid)
        return True

    def _open(self) -> "subprocess.Popen[bytes]":
        spec, run_as = self.spec, self.spec.run_as
        user = (launch.KEEP, launch.KEEP) if run_as is None else (run_as.uid, run_as.gid)
        shim = [os.getpid(), int(spec.orphan_signal), *user]
        argv = [sys.executable, "-I", "-S", launch.__file__, *map(str, shim), *spec.argv]
        with _output(spec.log_path) as log:
            # A session of its own: Ctrl-C at the terminal reaches the supervisor alone, which then
            # stops things in order.
            return subprocess.Popen(  # noqa: S603 - argv is ours
                argv,
                env=dict(spec.env),
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log and subprocess.STDOUT,
                pass_fds=spec.pass_fds,
                start_new_session=True,
            )

    def _await_exit(self) -> None:
        popen = self._popen
        if popen is None:
            return
        code = popen.wait()
        self.exits += 1
        self._kill_group()  # grandchildren, such as an embedded beat, must not run beside the next one
        self.on_exit(popen.pid, code, self._stopping.is_set())

    def _is_ready(self) -> bool:
        if self.pid is None:
            return False
        return self.spec.ready is None or self.spec.ready()

    def _wait_ended(self, limit_s: float, hurry: threading.Event) -> bool:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and not (hurry.is_set() and self.spec.hurries):
            if self._ended.wait(POLL_S):
                return True
        return self._ended.is_set()

    def _signal(self, number: signal.Signals) -> None:
        popen = self._popen
        if popen is not None:
            popen.send_signal(number)  # does nothing once the process has been reaped

    def _kill_group(self) -> None:
        popen = self._popen
        if popen is not None and guardian.exists(popen.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO | None]:
    """Open a log to append to; one that has grown too long is first moved aside."""
    if path is None:
        yield None
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as log:
        yield log


def tail(path: Path) -> str:
    """Return the last line of a log that says something, for an error message."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        return ""
    full = [line.strip() for line in lines if line.strip()]
    for line in full:
        if "No space left on device" in line:
            return line
    return full[-1] if full else ""
