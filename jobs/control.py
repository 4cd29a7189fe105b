"""Tells workers at once that a running job is to be cancelled. A lost message costs one heartbeat."""

import json
import logging
import threading
import uuid
from collections.abc import Callable

import redis

from genie.core import redis as core_redis

logger = logging.getLogger(__name__)

_CHANNEL = "genie:control"
_RECONNECT_S = 2.0


def announce_cancel(job_id: uuid.UUID, *, reason: str) -> None:
    """Tell every worker; never fails: the row says it too, and the next heartbeat reads it."""
    try:
        core_redis.client().publish(_CHANNEL, json.dumps({"cancel": str(job_id), "reason": reason}))
    except redis.RedisError as error:
        logger.warning("A cancel was not announced: %s", type(error).__name__)


def listen(on_cancel: Callable[[uuid.UUID, str], None], *, until: threading.Event) -> None:
    """Call ``on_cancel`` for each announced cancel, through reconnects, until the event is set."""
    while not until.is_set():
        try:
            _listen_once(on_cancel, until)
        except redis.RedisError as error:
            logger.warning("The control channel is away: %s", type(error).__name__)
            until.wait(_RECONNECT_S)


def _listen_once(on_cancel: Callable[[uuid.UUID, str], None], until: threading.Event) -> None:
    pubsub = core_redis.client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    with pubsub:
        pubsub.subscribe(_CHANNEL)
        while not until.is_set():
            message = pubsub.get_message(timeout=1.0)
            if message is not None:
                order = json.loads(message["data"])
                on_cancel(uuid.UUID(order["cancel"]), order["reason"])
