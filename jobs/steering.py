"""What is done to a whole queue by operators: pause, resume and drain it, with the effects after the commit."""

import dataclasses
import threading
import time
from collections.abc import Callable

from genie.core import errors
from jobs import control, pauses, queue, registry, standing
from jobs.pauses import Pause

LONGEST_REASON = 200  # characters of the row's column
_LOOK_S = 0.5  # how often a drain counts what runs


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A queue that is claimed from again. ``was_paused`` False: it was not paused, and is as it was."""

    was_paused: bool
    queued: int  # jobs that a claim may find
    ticket_sent: bool  # False: nobody needs one, or the broker is away and the sweep sends it later


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """A queue that was paused, and how many of its jobs run still: 0 unless the time was up."""

    pause: Pause
    running: int


def existing(name: str) -> str:
    """Return the name of a queue of jobs.

    Raises:
        NotFound: There is no such queue, or it is not one of jobs.
    """
    if name in registry.SERVICE_QUEUES:
        raise errors.NotFound(
            f"The queue {name} has our own work and no jobs; only queues of jobs can be paused."
        )
    known = [one.queue for one in standing.queues()]
    if name not in known:
        raise errors.NotFound(f"There is no queue {name[:64]!r}; there are {', '.join(known)}.")
    return name


def pause(name: str, *, reason: str = "", by: str = "") -> Pause:
    """Let nothing more be claimed from a queue, until it is resumed; submissions go on queueing.

    What runs goes on. Deadlines to start go on as well: a job may end as ``queue-timeout`` meanwhile.

    Raises:
        NotFound: There is no such queue of jobs.
        InvalidRequest: The reason is too long.
        Unavailable: A claim is under way that takes too long.
    """
    if len(reason) > LONGEST_REASON:
        raise errors.InvalidRequest(
            f"The reason has {len(reason)} characters; write at most {LONGEST_REASON}."
        )
    return pauses.pause(existing(name), reason=reason, by=by)


def resume(name: str) -> Resumed:
    """Let a queue be claimed from again, and wake the workers that serve it.

    Raises:
        NotFound: There is no such queue of jobs.
    """
    was_paused = pauses.resume(existing(name))
    waiting = standing.first_waiting(name, limit=queue.JOBS_PER_TICKET) if was_paused else []
    queued = next((one.queued for one in standing.queues() if one.queue == name), 0)
    if waiting:
        control.nudge({name: queued})
    sent = bool(waiting) and queue.send_now(name, [str(job_id) for job_id in waiting])
    return Resumed(was_paused=was_paused, queued=queued, ticket_sent=sent)


def drain(
    name: str, *, reason: str, timeout_s: float, progress: Callable[[int], None], by: str = ""
) -> Drained:
    """Pause a queue, and wait until none of its jobs runs any more, or the time is up.

    It stays paused either way. A job whose worker is lost goes back to the queue, and waits there.

    Args:
        name: The queue.
        reason: Why, for whoever looks at the pause.
        timeout_s: How long to wait, in seconds.
        progress: Told how many jobs run, as often as that is looked at.
        by: Who pauses it, for the same.

    Raises:
        NotFound, InvalidRequest, Unavailable: As for ``pause``.
    """
    paused = pause(name, reason=reason, by=by)
    until, tick = time.monotonic() + timeout_s, threading.Event()
    while True:
        running = standing.running(name)
        progress(running)
        left_s = until - time.monotonic()
        if not running or left_s <= 0:
            return Drained(pause=paused, running=running)
        tick.wait(min(_LOOK_S, left_s))
