"""Messages to workers that save time and may be lost: cancel this job, look at that queue, load a model.

A lost cancel costs one heartbeat, since the row says it too. A lost nudge costs the time of a
ticket, which follows it. Nothing is decided by either.
"""

import dataclasses
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

import redis

from genie.core import errors
from genie.core import redis as core_redis

logger = logging.getLogger(__name__)

_CANCELS = "genie:control:cancel"
_ORDERS = "genie:control:models"
_ANSWERS = "genie:control:answers:"  # a list for each order
_ANSWERS_LIVE_S = 3600
_NUDGES = "genie:control:queue:"
_RECONNECT_S = 2.0


def announce_cancel(job_id: uuid.UUID, *, reason: str) -> None:
    """Tell every worker to cancel a job; never fails."""
    _publish({_CANCELS: json.dumps({"cancel": str(job_id), "reason": reason})})


def nudge(jobs: Mapping[str, int]) -> set[str]:
    """Tell the workers of these queues how many jobs have come; never fails.

    All of them look, and the claims decide who runs what. Returns the queues where somebody listened,
    who may be draining, or be this process.
    """
    listeners = _publish({_NUDGES + queue: str(count) for queue, count in jobs.items()})
    return {queue for queue, count in zip(jobs, listeners, strict=False) if count}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's wish about a model."""

    verb: str  # load or unload
    model: str
    workers: tuple[str, ...]  # who is meant
    reply_to: str = ""  # the key of the answers


def give_order(
    order: Order, *, timeout_s: float, serving: Callable[[], Collection[str]]
) -> dict[str, str]:
    """Tell the workers an order, and return what each said until all have or the time is up.

    An empty answer is a success. ``serving`` names the workers that are there, and is asked while
    answers are missing: nobody waits for one that was killed.

    Raises:
        Unavailable: Redis does not answer.
    """
    placed = dataclasses.replace(order, reply_to=_ANSWERS + uuid.uuid4().hex)
    answers: dict[str, str] = {}
    deadline = time.monotonic() + timeout_s
    client = core_redis.client()
    try:
        client.publish(_ORDERS, json.dumps(dataclasses.asdict(placed)))
        waited_for = set(order.workers)
        while waited_for - answers.keys() and time.monotonic() < deadline:
            # Short waits: the client gives up a longer one as a connection that has died.
            found = client.blpop([placed.reply_to], timeout=1)
            if found is not None:
                said = json.loads(found[1])
                answers[said["worker"]] = said["error"]
            else:
                waited_for &= set(serving())
    except redis.RedisError as error:
        raise errors.Unavailable("Redis does not answer; nothing is known of the order.") from error
    return answers


def answer_order(order: Order, *, worker: str, error: str) -> None:
    """Tell whoever gave an order how it went; never fails."""
    try:
        pipeline = core_redis.client().pipeline(transaction=False)
        pipeline.rpush(order.reply_to, json.dumps({"worker": worker, "error": error}))
        pipeline.expire(order.reply_to, _ANSWERS_LIVE_S)
        pipeline.execute()
    except redis.RedisError as failure:
        logger.warning("An order was not answered: %s", type(failure).__name__)


def listen(
    queues: Sequence[str],
    *,
    on_cancel: Callable[[uuid.UUID, str], None],
    on_nudge: Callable[[str, int], None],
    on_order: Callable[[Order], None],
    until: threading.Event,
) -> None:
    """Pass on each cancel and order, and each nudge for these queues, through reconnects, until the event."""

    def hear(channel: str, data: bytes) -> None:
        if channel == _CANCELS:
            order = json.loads(data)
            on_cancel(uuid.UUID(order["cancel"]), order["reason"])
        elif channel == _ORDERS:
            wish = json.loads(data)
            on_order(Order(**{**wish, "workers": tuple(wish["workers"])}))
        else:
            on_nudge(channel.removeprefix(_NUDGES), int(data))

    channels = [_CANCELS, _ORDERS, *(_NUDGES + queue for queue in queues)]
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


def _publish(messages: Mapping[str, str]) -> list[int]:
    """Return how many listened to each message; nothing where Redis is away."""
    try:
        pipeline = core_redis.client().pipeline(transaction=False)
        for channel, message in messages.items():
            pipeline.publish(channel, message)
        return [int(listeners) for listeners in pipeline.execute()]
    except redis.RedisError as error:
        logger.warning("Workers were not told: %s", type(error).__name__)
        return []
