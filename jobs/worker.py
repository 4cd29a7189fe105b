"""A worker process from its start to its end: what runs in it follows from the queues it serves.

Celery tells when the process starts and stops; the threads of ours begin before it has reached the
broker, so leases are kept and the sweep runs while Redis is away.
"""

import logging
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from celery import signals
from django.conf import settings
from django.db import connection

from genie.core import env, exits, metrics
from inference import memory
from inference.engine import Engine
from inference.errors import DeviceLost
from jobs import assignment, exporter, queue, registry, sweep
from jobs.exporter import Exporter
from jobs.presence import Presence, Report
from jobs.runner import Runner, RunnerConfig
from jobs.stream import Writer
from jobs.warmup import Warmup
from jobs.watchdog import Stall, StallLimits, Watchdog

logger = logging.getLogger(__name__)


class _Process:
    """What this worker process has started."""

    runner: Runner | None = None
    presence: Presence | None = None
    warmup: Warmup | None = None
    watchdog: Watchdog | None = None
    housekeeping: tuple[threading.Thread, ...] = ()
    exporter: Exporter | None = None
    is_replaced = False


_process = _Process()
_replacing = threading.Lock()
_stop_housekeeping = threading.Event()

_TICKETS_WITHIN_S = 2.0  # as a process ends; the sweep sends what the broker did not take by then

Loop = Callable[[threading.Event], None]  # runs until the event
_housekeeping: dict[str, Loop] = {"sweep": sweep.loop}


def keep_house_by(**loops: Loop) -> None:
    """Let the maintenance worker run these loops too, each in a thread of its name."""
    _housekeeping.update(loops)


def wake(queue_name: str, jobs: int) -> None:
    """Let this process claim up to ``jobs`` jobs of the queue."""
    if _process.runner is not None:
        _process.runner.wake(queue_name, jobs)


def answer_canary(queue_name: str, token: uuid.UUID) -> None:
    """Let the queue's claim loop answer a canary."""
    if _process.runner is not None:
        _process.runner.answer_canary(queue_name, token)


# Claiming, finishing and telling are threads that share one interpreter lock with the engine. At
# Python's 5 ms each waits that long behind the engine after every statement; see docs/adr/0003.
SWITCH_INTERVAL_S = 0.0005


def start(queues: Sequence[str]) -> None:
    """Start what serves these queues: the runner for those of jobs, the loops of maintenance."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    of_jobs = [name for name in queues if name not in registry.SERVICE_QUEUES]
    if of_jobs:
        _process.runner = _make_runner(of_jobs)
        _process.runner.start()
    if _process.watchdog is not None:
        _process.watchdog.start()
    if "maintenance" in queues:
        _process.housekeeping = tuple(
            threading.Thread(target=loop, args=(_stop_housekeeping,), name=name, daemon=True)
            for name, loop in _housekeeping.items()
        )
        for thread in _process.housekeeping:
            thread.start()
    _process.presence = Presence(worker_name(), queues, report=_report)
    _process.presence.start()
    _process.exporter = exporter.start()


def stop() -> None:
    """Drain and end everything that ``start`` began. The watchdog goes on: a drain may hang too."""
    if _process.presence is not None:
        _process.presence.close()
    if _process.runner is not None:
        _process.runner.close()
    _stop_housekeeping.set()
    for thread in _process.housekeeping:
        thread.join(5)
    queue.sender.flush(timeout_s=_TICKETS_WITHIN_S)  # nobody in this process sends any more
    if _process.exporter is not None:
        _process.exporter.close()


def replace(reason: str, trouble: str) -> None:
    """Have this process replaced: say so, give its jobs back, and end it. Returns at once.

    Its engine is not asked for anything: a step that hangs never answers, and a device that is lost
    answers nothing but errors. The supervisor starts another process (``genie.core.exits``).

    Args:
        reason: stalled or device-lost, for the history of the jobs and the metric.
        trouble: A sentence for operators.
    """
    with _replacing:
        if _process.is_replaced:
            return
        _process.is_replaced = True
    logger.error("This worker is replaced: %s", trouble)
    metrics.worker_replaced.labels(reason).inc()
    threading.Thread(
        target=_give_up, args=(reason, trouble), name="replacement", daemon=True
    ).start()


def _give_up(reason: str, trouble: str) -> None:
    try:
        if _process.presence is not None:
            _process.presence.close(trouble=trouble)
        if _process.runner is not None:
            _process.runner.give_up(reason=reason, message=_NOT_AGAIN)
        connection.close()
    finally:  # whatever could not be told is mended by the sweep
        logging.shutdown()
        os._exit(exits.REPLACE)  # a thread that hangs would hold up any other way to end


_NOT_AGAIN = "The worker's model or device stopped working on this job, which ran alone; it is not tried again."


def _device_lost(error: DeviceLost) -> None:
    replace("device-lost", error.message)


def _stalled(stall: Stall) -> None:
    replace("stalled", stall.trouble)


def _stall_limits() -> StallLimits:
    return StallLimits(step_s=settings.GENIE_STALL_S, load_s=settings.GENIE_LOAD_LIMIT_S)


def worker_name() -> str:
    """Return this worker's name: unique among all workers, and telling where it runs."""
    # How this worker is called in logs, Flower and the admin: the name of its topology entry.
    name = env.text("GENIE_WORKER_NAME", "worker")
    return f"{name}@{socket.gethostname()}:{os.getpid()}"


def _make_runner(queues: Sequence[str]) -> Runner:
    models = registry.models()
    mine = assignment.assign(
        queues,
        models,
        models=env.words("GENIE_WORKER_MODELS"),  # models that it serves; none: all
        pinned=env.words("GENIE_WORKER_PINNED"),  # models that are never evicted
        # Jobs of one queue that run in its engine at once; 0: the `max_batch` of its models.
        slots=env.integer("GENIE_WORKER_SLOTS", 0) or None,
    )
    limits = memory.of_this_process(
        # What the models of this worker may take together; 0: a share of the memory that there is.
        budget_bytes=env.integer("GENIE_WORKER_MEMORY_BYTES", 0) or None,
        pinned=mine.pinned,
    )
    engine = Engine(models, memory=limits, on_device_lost=_device_lost)
    config = RunnerConfig(
        worker=worker_name(),
        slots=mine.slots,
        models=mine.models,
        lease_s=settings.GENIE_LEASE_S,
        heartbeat_s=settings.GENIE_HEARTBEAT_S,
        drain_s=settings.GENIE_DRAIN_S,
        affinity_s=settings.GENIE_AFFINITY_S,
    )
    engine.preload(model for resident in mine.resident.values() for model in resident)
    _process.warmup = Warmup(engine, mine.resident)
    _process.watchdog = Watchdog(engine, limits=_stall_limits(), on_stall=_stalled)
    return Runner(config, engine=engine, writer=Writer())


def _report() -> Report:
    runner, warmup = _process.runner, _process.warmup
    if runner is None or warmup is None:
        return Report()
    return Report(
        warming=warmup.queues(),
        slots=sum(runner.config.slots.values()),
        running=runner.running(),
        loaded_models=runner.loaded_models(),
        jobs_per_s=runner.jobs_per_s(),
        model_bytes=runner.model_bytes(),
        memory_budget_bytes=runner.memory_budget_bytes,
        service_times=runner.service_times(),
    )


@signals.celeryd_after_setup.connect
def _on_setup(instance: Any, **_: object) -> None:
    start(list(instance.app.amqp.queues.consume_from))


@signals.worker_shutting_down.connect
def _on_shutting_down(**_: object) -> None:
    if _process.runner is not None:
        _process.runner.begin_drain()


@signals.worker_shutdown.connect
def _on_shutdown(**_: object) -> None:
    stop()
