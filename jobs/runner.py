"""Runs jobs in a worker process: claims when woken, hands to the engine, finishes, renews leases.

Threads of one process, and what each may touch:

- one claim loop per queue: claims up to the free slots and submits to the engine;
- the engine's own threads: call back with deltas and ends; they never touch the database;
- the carriers: bring inputs to media jobs and store their results, which may block for long;
- the finisher: ends many jobs in one transaction, and then they are announced;
- the keeper: renews leases, enforces run limits, hears cancels through the row;
- the control listener: hears cancels and nudges at once, through Redis.

Knows no Celery: a ticket calls ``wake`` and is done.
"""

import dataclasses
import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import redis
from django.db import connection

from genie.core import logs, metrics, tracing
from inference.engine import Engine
from inference.errors import InferenceError
from jobs import control, counting, inputs, queue, service_times, stream, tracking, work
from jobs.claiming import ClaimLoop
from jobs.claims import Claimed
from jobs.control import Order
from jobs.events import Entry
from jobs.finishing import Finisher
from jobs.keeper import Keeper
from jobs.moves import Ended, Ending, Requeue
from jobs.running import RunningJob
from jobs.service_times import ServiceTime
from jobs.stream import Writer
from jobs.verdicts import StopReason

logger = logging.getLogger(__name__)

_RETRY_S = 1.0  # pause after the database failed
_LEARNING_RATE = 0.1  # of the mean run time that ETAs are made of: about the last ten jobs
_CARRIERS = 8  # threads: each fetches or stores one thing at a time
_GIVE_UP_S = 10.0  # to record what is given back; the supervisor waits longer than that
_LOOK_AFTER_S = 0.05  # later than the moment from which a requeued job may be claimed again


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    """What one worker process serves, and its times in seconds."""

    worker: str
    slots: dict[str, int]  # queue to the most jobs that run at once
    models: tuple[str, ...] | None  # None: every model of those queues
    lease_s: float
    heartbeat_s: float
    drain_s: float
    affinity_s: float = 0.0  # how long jobs of models in memory may go before others


class Runner:
    """All running jobs of one worker process."""

    def __init__(self, config: RunnerConfig, *, engine: Engine, writer: Writer) -> None:
        self.config = config
        self._engine = engine
        self._writer = writer
        self._running: dict[uuid.UUID, RunningJob] = {}
        self._latest = service_times.Latest()
        self._mean_run_s: dict[str, float] = {}  # by queue, weighted towards the latest jobs
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._stopping = threading.Event()  # no new claims
        self._closed = threading.Event()  # all threads end
        self._loops = {
            name: ClaimLoop(
                self,
                name,
                slots=slots,
                worker=config.worker,
                lease_s=config.lease_s,
                models=config.models,
                affinity_s=config.affinity_s,
            )
            for name, slots in config.slots.items()
        }
        self._finisher = Finisher(running=self.running)
        self._carriers = ThreadPoolExecutor(_CARRIERS, thread_name_prefix="carrier")
        self._keeper = Keeper(
            self,
            worker=config.worker,
            lease_s=config.lease_s,
            heartbeat_s=config.heartbeat_s,
            until=self._closed,
        )
        self._control = threading.Thread(target=self._hear, name="control", daemon=True)

    def start(self) -> None:
        """Start the threads, and look once for work that waits already."""
        for loop in self._loops.values():
            loop.start()
        self._keeper.start()
        self._control.start()
        for name, slots in self.config.slots.items():
            self.wake(name, slots)

    def wake(self, queue_name: str, jobs: int) -> None:
        """Let the queue's loop claim up to ``jobs`` more jobs. Never blocks."""
        if (loop := self._loops.get(queue_name)) is not None:
            loop.wake(jobs)

    def answer_canary(self, queue_name: str, token: uuid.UUID) -> None:
        """Let the queue's loop answer a canary. Never blocks."""
        if (loop := self._loops.get(queue_name)) is not None:
            loop.answer(token)

    def running(self) -> int:
        """Return how many jobs run now."""
        return len(self._running)

    def snapshot(self) -> list[RunningJob]:
        """Return the jobs that run now."""
        with self._lock:
            return list(self._running.values())

    def runs(self, job_id: uuid.UUID) -> bool:
        """Return whether this job runs now."""
        return job_id in self._running

    def loaded_models(self) -> list[str]:
        """Return the models in memory."""
        return sorted(self._engine.loaded())

    def model_bytes(self) -> dict[str, int]:
        """Return how much memory each loaded model takes."""
        return self._engine.memory_bytes()

    @property
    def memory_budget_bytes(self) -> int | None:
        """How much all models together may take; None without bound, or before it has mattered."""
        return self._engine.memory_budget_bytes

    def jobs_per_s(self) -> dict[str, float]:
        """Return how many jobs of each queue this worker could end a second, by its latest ones."""
        with self._lock:
            means = dict(self._mean_run_s)
        return {name: self.config.slots[name] / max(mean, 0.001) for name, mean in means.items()}

    def service_times(self) -> dict[str, ServiceTime]:
        """Return how long the latest jobs of each model ran here."""
        with self._lock:
            return self._latest.report()

    def begin_drain(self) -> None:
        """Claim nothing more; what runs goes on."""
        self._stopping.set()
        for loop in self._loops.values():
            loop.wake(0)

    def close(self) -> None:
        """Drain for at most the drain limit, give the rest back to their queues, end all threads."""
        self.begin_drain()
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout=self.config.drain_s)
            left = list(self._running.values())
        for job in left:
            job.stop(StopReason.DRAIN)
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout=10)
        self._engine.close(timeout_s=10)
        self._closed.set()
        self._carriers.shutdown(wait=True, cancel_futures=True)
        self._finisher.close()
        self._writer.close()
        self._keeper.join(5)

    def give_up(self, *, reason: str, message: str) -> bool:
        """Give all jobs back without waiting for the engine, which may never answer.

        For a process that is about to end because it cannot go on. Returns whether all was recorded;
        the leases of the rest lapse.

        Args:
            reason: Why they go back to their queues, for their history.
            message: What the error of a job says that ran alone, and so is not tried again.
        """
        self.begin_drain()
        for loop in self._loops.values():
            loop.join(_GIVE_UP_S)
        for job in self.snapshot():
            self._ended(job, job.abandon(reason=reason, message=message))
        with self._idle:
            all_recorded = self._idle.wait_for(lambda: not self._running, timeout=_GIVE_UP_S)
        self._writer.close()
        queue.sender.flush(timeout_s=_GIVE_UP_S)
        return all_recorded

    # --- one job -----------------------------------------------------------------------------

    def run(self, claimed: Claimed) -> None:
        """Hand one claimed job to the engine; returns at once."""
        job = RunningJob(
            claimed,
            earlier=_delivered(claimed),
            writer=self._writer,
            offload=self._carry,
            on_end=self._ended,
        )
        job.span = tracking.begin_attempt(claimed)
        with self._lock:
            self._running[claimed.job_id] = job
        if inputs.refers(claimed.request):
            self._carry(lambda: self._submit(job))
        else:
            self._submit(job)

    def _carry(self, load: Callable[[], None]) -> None:
        """Run what may block for long on a thread that may, with a database connection for it."""

        def carried() -> None:
            try:
                load()
            finally:
                connection.close()

        self._carriers.submit(carried)

    def _submit(self, job: RunningJob) -> None:
        trace_id = tracing.trace_id_of(job.claimed.traceparent)
        with logs.bound(job=job.claimed.job_id, attempt=job.claimed.attempt, trace_id=trace_id):
            self._submit_bound(job)

    def _submit_bound(self, job: RunningJob) -> None:
        claimed = job.claimed
        try:
            brought = inputs.bring(claimed)
            job.attach(self._engine.submit(work.request_of(claimed, brought), job))
        except InferenceError as error:
            job.on_done(error, usage=job.usage)
        except Exception:
            # One job's bad row must not end the claim loop; the job fails and says where to look.
            logger.exception("A claimed job could not be started")
            job.on_done(InferenceError("The worker could not start this job."), usage=job.usage)

    def slots_taken(self, queue_name: str) -> int:
        """Return how many jobs of this queue run now."""
        with self._lock:
            return sum(1 for job in self._running.values() if job.claimed.queue == queue_name)

    def runs_solo(self) -> bool:
        """Return whether a job runs that must have the process to itself."""
        with self._lock:
            return any(job.claimed.solo for job in self._running.values())

    @property
    def stopping(self) -> bool:
        """Whether the process claims nothing more."""
        return self._stopping.is_set()

    def pause(self) -> None:
        """Wait a moment after the database failed, or until the process closes."""
        self._closed.wait(_RETRY_S)

    def _ended(self, job: RunningJob, ending: Ending | Requeue | None) -> None:
        """Record an attempt's end; called from engine threads, so it only queues."""
        if ending is None:
            metrics.fenced.labels("attempt").inc()
            tracking.end_attempt(job.span, None, None)
            self._forget(job)
        else:
            self._finisher.record(ending, lambda answer: self._recorded(job, ending, answer))

    def _recorded(
        self, job: RunningJob, ending: Ending | Requeue, answer: Ended | str | None
    ) -> None:
        if isinstance(answer, Ended):
            job.announce(answer)
        elif isinstance(answer, str) and isinstance(ending, Requeue):
            self._requeued(job, queue_name=answer, delay_s=ending.delay_s)
        run_s = job.age_s()
        self._forget(job)
        counting.attempt_recorded(job.claimed, ending, answer, run_s=run_s)
        tracking.end_attempt(job.span, ending, answer)

    def _requeued(self, job: RunningJob, *, queue_name: str, delay_s: float) -> None:
        """Have a job looked for again that went back to its queue: here, or by another worker."""
        if self.stopping:
            queue.sender.send({queue_name: [job.claimed.job_id]})
            return
        look = threading.Timer(delay_s + _LOOK_AFTER_S, self.wake, args=(queue_name, 1))
        look.daemon = True
        look.start()

    def _forget(self, job: RunningJob) -> None:
        with self._idle:
            self._running.pop(job.claimed.job_id, None)
            self._learn(job.claimed, job.age_s())
            self._idle.notify_all()
        for loop in self._loops.values() if job.claimed.solo else (self._loops[job.claimed.queue],):
            loop.slot_freed()

    def _learn(self, claimed: Claimed, run_s: float) -> None:
        queue_name = claimed.queue
        slots = self.config.slots[queue_name]
        self._latest.add(claimed.model, run_s, claimed.estimate_microcredits, slots=slots)
        mean = self._mean_run_s.get(queue_name, run_s)
        self._mean_run_s[queue_name] = mean + _LEARNING_RATE * (run_s - mean)

    # --- cancels and orders ------------------------------------------------------------------

    def _hear(self) -> None:
        control.listen(
            list(self.config.slots),
            on_cancel=self._cancel,
            on_nudge=self.wake,
            on_order=self._obey,
            until=self._closed,
        )

    def _cancel(self, job_id: uuid.UUID, reason: str) -> None:
        if (job := self._running.get(job_id)) is not None:
            job.stop(StopReason.CANCEL, reason)

    def _obey(self, order: Order) -> None:
        """Load or unload a model for an operator; the answer follows when it is done."""
        worker = self.config.worker
        if worker not in order.workers:
            return

        def told(error: InferenceError | None) -> None:
            answer = "" if error is None else error.message
            control.answer_order(order, worker=worker, error=answer)

        if self.config.models is not None and order.model not in self.config.models:
            told(InferenceError(f"Model {order.model} is not among the models of this worker."))
            return
        try:
            (self._engine.load if order.verb == "load" else self._engine.unload)(order.model, told)
        except InferenceError as error:
            told(error)


def _delivered(claimed: Claimed) -> list[Entry] | None:
    """Return what earlier attempts have told the readers; None when Redis cannot say."""
    if claimed.attempt == 1:
        return []
    try:
        entries = stream.delivered(claimed.job_id)
    except redis.RedisError:
        return None
    return entries if stream.contiguous(entries, after=0) == entries else None
