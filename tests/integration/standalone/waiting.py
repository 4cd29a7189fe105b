"""Wait until something is so, with a limit that only a failure reaches."""

import http.client
import threading
from collections.abc import Callable

from genie.standalone.client import Client

POLL_S = 0.05


def wait_for(condition: Callable[[], bool], limit_s: float) -> None:
    """Return as soon as the condition holds; fail when it does not within the limit."""
    pause = threading.Event()
    for _ in range(int(limit_s / POLL_S)):
        if condition():
            return
        pause.wait(POLL_S)
    assert condition(), f"not so after {limit_s:g} s"


def is_ready(client: Client) -> bool:
    """Tell whether the system says that it is ready."""
    try:
        return client.get("/ready", timeout_s=5.0).status == 200
    except (OSError, http.client.HTTPException):
        return False
