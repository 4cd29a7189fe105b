"""Queues as the commands show them: as JSON, and as lines of a table."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from genie.core import terminal
from jobs import events
from jobs.pauses import Pause
from jobs.standing import Standing
from jobs.states import Lane

_COLUMNS = ("queue", "state", "queued", *(lane.name.lower() for lane in Lane), "oldest", "running",
            "parked", "workers", "ticket")  # fmt: skip


def shown(one: Standing) -> dict[str, Any]:
    """Return a queue as JSON; times are in seconds."""
    canary = one.canary
    return {
        "queue": one.queue,
        "paused": shown_pause(one.pause) if one.pause else None,
        "queued": one.queued,
        "lanes": {lane.name.lower(): one.lanes.get(lane, 0) for lane in Lane},
        "oldestSeconds": round(one.oldest_s, 1),
        "running": one.running,
        "parked": one.parked,
        "ready": one.ready,
        "trouble": one.trouble or None,
        "workers": one.workers,
        "ticketSeconds": canary and canary.latency_s,
        "ticketWaitingSeconds": round(canary.waiting_s, 1) if canary else None,
        "ticketAnsweredBy": canary.worker or None if canary else None,
    }


def shown_pause(pause: Pause) -> dict[str, Any]:
    """Return a pause as JSON."""
    return {
        "since": events.iso(pause.since),
        "reason": pause.reason or None,
        "by": pause.by or None,
    }


def table(found: Sequence[Standing]) -> Table:
    """Return a line for each queue."""
    return terminal.table(_COLUMNS, [_row(one) for one in found])


def pauses(found: Sequence[Standing]) -> list[str]:
    """Return a sentence for each queue that is paused."""
    return [f"{one.queue} is {_paused(one.pause)}" for one in found if one.pause is not None]


def line(one: Standing) -> str:
    """Return a queue as one sentence."""
    oldest = f", the oldest for {one.oldest_s:.0f} s" if one.queued else ""
    return (
        f"{one.queue:<12} {_paused(one.pause) if one.pause else _state(one)}; {one.queued} queued{oldest}, {one.running} running; "
        f"{_ticket(one)}"
    )


def _row(one: Standing) -> list[str]:
    return [
        one.queue,
        _state(one),
        str(one.queued),
        *(str(one.lanes.get(lane, 0)) for lane in Lane),
        f"{one.oldest_s:.0f} s" if one.queued else "-",
        str(one.running),
        str(one.parked),
        " ".join(one.workers) or "-",
        _ticket(one),
    ]


def _paused(pause: Pause) -> str:
    who = f" by {pause.by}" if pause.by else ""
    why = f": {pause.reason}" if pause.reason else ""
    return f"paused since {pause.since:%Y-%m-%d %H:%M:%S} UTC{who}{why}"


def _state(one: Standing) -> str:
    if one.pause is not None:
        return "paused"
    if one.ready:
        return "ready"
    return f"not ready: {one.trouble}" if one.trouble else "not ready"


def _ticket(one: Standing) -> str:
    took = one.canary.latency_s if one.canary else None
    waiting = one.canary.waiting_s if one.canary else 0
    said = "no ticket timed yet" if took is None else f"a ticket takes {took * 1000:.0f} ms"
    return said + (f", one is on its way for {waiting:.0f} s" if waiting >= 1 else "")
