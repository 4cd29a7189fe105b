"""Checks who serves: workers of each queue, the way to them, pauses, and models' files."""

import socket
from collections.abc import Iterator

from django.conf import settings
from django.db import Error as DatabaseError

from inference import inspection
from inference.errors import RegistryError
from inference.specs import ModelSpec
from jobs import attendance, registry, standing
from jobs.attendance import Attendant, Health
from jobs.diagnosis import findings
from jobs.diagnosis.findings import Finding
from jobs.standing import Standing

_START = "Start one: `manage.py workers`, or the service of your deployment; look at its log."


def workers() -> Iterator[Finding]:
    """Look whether somebody serves each queue that the models file needs, and ours."""
    there = attendance.workers()
    for name in (*registry.models().queues(), *registry.SERVICE_QUEUES):
        yield _server(name, [one for one in there if name in one.queues])
    for one in there:
        if one.health in (Health.LOST, Health.STALE):
            yield findings.note(
                "workers", f"{one.name} is {one.health}: heard of {one.heard_of}, and it has not said goodbye.",
                "If it runs still, look at its log; its jobs are given to others once their leases"
                f" lapse, and it is forgotten after {attendance.LOST_KEPT_S / 60:.0f} minutes.",
            )  # fmt: skip


def _server(name: str, servers: list[Attendant]) -> Finding:
    serving = [one for one in servers if one.serves]
    ready = [one.name for one in serving if name in one.ready_queues]
    if ready:
        return findings.ok("workers", f"{name} is served by {', '.join(ready)}.")
    if serving:
        return findings.note("workers", f"{name}: {serving[0].name} loads its models still.")
    troubled = max(
        (one for one in servers if one.trouble), key=lambda one: one.heartbeat_at, default=None
    )
    trouble = troubled.trouble.rstrip(".") if troubled is not None else ""
    return findings.wrong(
        "workers", f"Nobody serves the queue {name}{f': {trouble}' if trouble else ''}.", _START
    )


def queues() -> Iterator[Finding]:
    """Look whether tickets arrive, and what is paused or waits for long."""
    found = standing.queues()
    problems = [finding for one in found for finding in _queue(one)]
    yield from problems or [findings.ok("queues", f"{len(found)} queues; tickets arrive at each.")]


def _queue(one: Standing) -> Iterator[Finding]:
    if one.pause is not None:
        yield findings.note(
            "queues", f"{one.queue} is paused since {one.pause.since:%Y-%m-%d %H:%M:%S} UTC; {one.queued} jobs wait.",
            f"`manage.py queues resume {one.queue}` when it may go on.",
        )  # fmt: skip
    if one.canary and one.workers and one.canary.waiting_s > 3 * settings.GENIE_CANARY_S:
        yield findings.wrong(
            "queues", f"A ticket to {one.queue} is on its way for {one.canary.waiting_s:.0f} s.",
            "Tickets do not arrive: look at the broker, and at the worker's log for lost connections.",
        )  # fmt: skip
    if one.queued and not one.pause and one.oldest_s > settings.GENIE_START_LIMIT_S / 2:
        yield findings.note(
            "queues", f"The oldest of {one.queued} jobs of {one.queue} waits for {one.oldest_s:.0f} s.",
            "Add workers, or raise GENIE_START_LIMIT_S: jobs that wait for longer end as queue-timeout.",
        )  # fmt: skip


def models() -> Iterator[Finding]:
    """Look whether the files of the models are there and can be served, here or where workers are."""
    try:
        specs = registry.models().models
    except RegistryError as error:
        yield findings.wrong("models", f"The models file is not usable: {error}", "Correct it.")
        return
    served_here = _queues_served_here()
    for spec in specs:
        yield from _model(spec, is_served_here=served_here is None or spec.waits_in in served_here)
    yield findings.ok("models", f"{len(specs)} models are in {settings.GENIE_MODELS_FILE.name}.")


def _queues_served_here() -> set[str] | None:
    """Return the queues of this machine's workers; None where the database cannot tell."""
    try:
        there = attendance.workers()
    except DatabaseError:
        return None
    host = socket.gethostname()
    return {name for one in there if one.serves and one.host == host for name in one.queues}


def _model(spec: ModelSpec, *, is_served_here: bool) -> Iterator[Finding]:
    found = inspection.inspect(spec)
    is_download = found.directory is None and spec.directory is None
    for problem in found.problems:
        if is_served_here and not is_download:
            yield findings.wrong(
                "models", f"{spec.id}: {problem}", "`manage.py models check` tells more."
            )
        else:
            yield findings.note(
                "models", f"{spec.id}: {problem}",
                "The worker that serves it downloads it with its first job."
                if is_download
                else "No worker of this machine serves it; run `manage.py models check` where one does.",
            )  # fmt: skip
