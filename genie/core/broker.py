"""What Celery's connections to each kind of broker need, and how sends fail.

Tickets are hints that the sweep sends again, so every choice here is for a send that ends soon, whatever
the broker does, rather than for a message that is never lost.
"""

from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import AMQPError
from kombu.exceptions import OperationalError

# What a send may raise: the broker is away, or refuses us (a changed password, a queue of another kind).
ERRORS = (OperationalError, OSError, AMQPError)
# A send fails at once when the broker is away, and is not tried again by the client.
_ONE_TRY = {"max_retries": 0, "interval_start": 0}
CONNECT_S = 2.0
WRITE_S = 5.0  # RabbitMQ stops reading from who publishes while its memory or disk is short
HEARTBEAT_S = 30.0  # of workers, while they wait for tickets


def is_redis(url: str) -> bool:
    """Tell whether the broker is a Redis.

    >>> is_redis("rediss://:secret@h:6379/0"), is_redis("amqps://u:secret@h/v")
    (True, False)
    """
    return urlsplit(url).scheme in ("redis", "rediss")


def transport_options(url: str, *, longest_run_s: float) -> dict[str, Any]:
    """Return ``broker_transport_options`` for a broker."""
    if not is_redis(url):
        return {**_ONE_TRY, "write_timeout": WRITE_S}
    return {
        **_ONE_TRY,
        "visibility_timeout": 2 * longest_run_s,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": CONNECT_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": "genie:",
    }
