"""What processes the system has and how each is started. Starts nothing itself."""

import dataclasses
import math
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genie.standalone import devices, topology
from genie.standalone.process import ProcessSpec, StopStep
from genie.standalone.topology import WorkerEntry

WEB_PROCESSES = 2
TICKET_THREADS = 4  # a ticket only wakes the claim loop; slots decide how many jobs run
WEBHOOK_THREADS = 16  # deliveries wait for receivers, so many run side by side
MAINTENANCE_THREADS = 2
DEFAULT_WEB_DRAIN_S = 8.0  # how long open answers may go on after a stop signal
WEB_MARGIN_S = 4.0  # above that, for their last frames, before the server cuts what is left
DRAIN_MARGIN_S = 15.0  # above the workers' own drain limit, before they are killed
DEFAULT_DRAIN_S = 45.0
FLOWER_USER = "genie"
STOP_ORDER = (("web-",), ("worker-",), ("webhooks", "maintenance", "flower"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the processes run and what they all have in their environment.

    `logs` None lets them write where their supervisor writes. `metrics` is where those that serve
    count together; None leaves each to itself.
    """

    base_dir: Path
    env: Mapping[str, str]
    logs: Path | None
    metrics: Path | None = None

    def spec(
        self, name: str, *argv: str, env: Mapping[str, str] | None = None, stop_s: float = 10.0
    ) -> ProcessSpec:
        """Describe `python -m ARGV` run in the checkout, with a log of its own."""
        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", *argv),
            env={**self.env, **(env or {})},
            cwd=self.base_dir,
            log_path=self.logs and self.logs / f"{name}.log",
            stop=(StopStep(signal=signal.SIGTERM, wait_s=stop_s),),
        )

    @property
    def counting(self) -> dict[str, str]:
        """What a process gets in its environment that counts with the others."""
        return {} if self.metrics is None else {"GENIE_METRICS_DIR": str(self.metrics)}


def web(layout: Layout, *, number: int, listener: int) -> ProcessSpec:
    """Describe a web process that accepts from the inherited listening socket."""
    drain_s = float(layout.env.get("GENIE_WEB_DRAIN_S", DEFAULT_WEB_DRAIN_S))
    grace_s = math.ceil(drain_s + WEB_MARGIN_S)
    spec = layout.spec(
        f"web-{number}",
        *("uvicorn", "genie.asgi:application", "--fd", str(listener)),
        *("--loop", "uvloop", "--http", "genie.protocol:Protocol", "--lifespan", "on"),
        # Nobody stands in front, so a forwarded address would be the caller's own invention.
        *("--no-proxy-headers", "--no-server-header", "--no-access-log"),
        *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", str(grace_s)),
        env=layout.counting,
        stop_s=grace_s + 5.0,
    )
    return dataclasses.replace(spec, pass_fds=(listener,))


def workers_of(path: Path | None, env: Mapping[str, str]) -> tuple[WorkerEntry, ...]:
    """Return the entries of a topology file; without one, what suits this machine.

    Raises:
        StandaloneError: the file is not usable.
    """
    return topology.default(devices.visible(env)) if path is None else topology.load(path)


def worker(layout: Layout, entry: WorkerEntry) -> ProcessSpec:
    """Describe the worker of one topology entry: a threads pool around one engine."""
    drain_s = float(layout.env.get("GENIE_DRAIN_S", DEFAULT_DRAIN_S))
    return layout.spec(
        f"worker-{entry.name}",
        *_celery_worker(entry.name, queues=entry.queues, threads=TICKET_THREADS),
        env={**worker_environment(entry), **layout.counting},
        stop_s=drain_s + DRAIN_MARGIN_S,
    )


def worker_environment(entry: WorkerEntry) -> dict[str, str]:
    """Return what must be set before the interpreter starts: devices and CPU threads.

    torch and its libraries read these when they are imported.
    """
    env = {
        "GENIE_WORKER_NAME": entry.name,
        "TOKENIZERS_PARALLELISM": "false",
        # Threads of torch that wait must sleep: spinning takes the cores from everybody else.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if entry.slots is not None:
        env["GENIE_WORKER_SLOTS"] = str(entry.slots)
    if entry.models:
        env["GENIE_WORKER_MODELS"] = ",".join(entry.models)
    if entry.pinned:
        env["GENIE_WORKER_PINNED"] = ",".join(entry.pinned)
    if entry.memory_budget_bytes is not None:
        env["GENIE_WORKER_MEMORY_BYTES"] = str(entry.memory_budget_bytes)
    if entry.gpus is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(entry.gpus)
        env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the numbers of nvidia-smi, not "fastest first"
    if entry.torch_threads is not None:
        names = (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "GENIE_TORCH_THREADS",
        )
        env.update(dict.fromkeys(names, str(entry.torch_threads)))
    return env


def webhooks(layout: Layout) -> ProcessSpec:
    """Describe the worker that delivers webhooks."""
    argv = _celery_worker("webhooks", queues=("webhooks",), threads=WEBHOOK_THREADS)
    env = {"GENIE_WORKER_NAME": "webhooks", **layout.counting}
    return layout.spec("webhooks", *argv, env=env, stop_s=20.0)


def maintenance(layout: Layout, *, schedule: Path) -> ProcessSpec:
    """Describe the worker that keeps house: beat in it, and the sweep in a loop of its own.

    Beat remembers in the file `schedule` when it last sent what.
    """
    return layout.spec(
        "maintenance",
        *_celery_worker("maintenance", queues=("maintenance",), threads=MAINTENANCE_THREADS),
        *("-B", "--schedule", str(schedule)),
        env={"GENIE_WORKER_NAME": "maintenance", **layout.counting},
        stop_s=20.0,
    )


def flower(layout: Layout, *, port: int, password: str, cookie_secret: str) -> ProcessSpec:
    """Describe Flower: loopback only, behind a password; genie/flowerconfig.py makes it read-only."""
    return layout.spec(
        "flower",
        *("celery", "-A", "genie", "flower"),
        env={  # in the environment, because arguments show in ps
            "FLOWER_ADDRESS": "127.0.0.1",
            "FLOWER_PORT": str(port),
            "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{password}",
            "FLOWER_COOKIE_SECRET": cookie_secret,
        },
    )


def _celery_worker(name: str, *, queues: tuple[str, ...], threads: int) -> tuple[str, ...]:
    return (
        *("celery", "-A", "genie", "worker", "--loglevel", "INFO", "-P", "threads"),
        *("-c", str(threads), "-Q", ",".join(queues), "-n", f"{name}@%h"),
        *("--without-gossip", "--without-mingle"),  # workers need not know one another
    )
