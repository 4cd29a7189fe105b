"""Messages to workers that save time and may be lost: cancel this job, look at that queue.

A lost cancel costs one heartbeat, since the row says it too. A lost nudge costs the time of a
ticket, which follows it. Nothing is decided by either.
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence

import redis

from genie.core import redis as core_redis

logger = logging.getLogger(__name__)

_CANCELS = "genie:control:cancel"
_NUDGES = "genie:control:queue:"
_RECONNECT_S = 2.0


def announce_cancel(job_id: uuid.UUID, *, reason: str) -> None:
    """Tell every worker to cancel a job; never fails."""
    _publish({_CANCELS: json.dumps({"cancel": str(job_id), "reason": reason})})


def nudge(jobs: Mapping[str, int]) -> None:
    """Tell the workers of these queues how many jobs have come; never fails.

    All of them look, and the claims decide who runs what.
    """
    _publish({_NUDGES + queue: str(count) for queue, count in jobs.items()})


def listen(
    queues: Sequence[str],
    *,
    on_cancel: Callable[[uuid.UUID, str], None],
    on_nudge: Callable[[str, int], None],
    until: threading.Event,
) -> None:
    """Pass on each cancel, and each nudge for these queues, through reconnects, until the event."""

    def hear(channel: str, data: bytes) -> None:
        if channel == _CANCELS:
            order = json.loads(data)
            on_cancel(uuid.UUID(order["cancel"]), order["reason"])
        else:
            on_nudge(channel.removeprefix(_NUDGES), int(data))

    channels = [_CANCELS, *(_NUDGES + queue for queue in queues)]
    while not until.is_set():
        try:
            _listen_once(channels, hear, until)
        except redis.RedisError as error:
            logger.warning("The control channels are away: %s", type(error).__name__)
            until.wait(_RECONNECT_S)


def _listen_once(
    channels: Sequence[str], hear: Callable[[str, bytes], None], until: threading.Event
) -> None:
    pubsub = core_redis.client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py leaves it untyped
    with pubsub:
        pubsub.subscribe(*channels)
        while not until.is_set():
            message = pubsub.get_message(timeout=1.0)
            if message is not None:
                hear(message["channel"].decode(), message["data"])


def _publish(messages: Mapping[str, str]) -> None:
    try:
        pipeline = core_redis.client().pipeline(transaction=False)
        for channel, message in messages.items():
            pipeline.publish(channel, message)
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("Workers were not told: %s", type(error).__name__)
