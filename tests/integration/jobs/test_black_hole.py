"""A broker that takes connections and never answers costs a sender its timeout, and no more."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

SEND = """
import django; django.setup()
from jobs import queue
print(queue.send_now("chat", ["019d0000-0000-7000-8000-000000000000"]), flush=True)
import os; os._exit(0)
"""
LIMIT_S = 25.0  # twice the timeouts of a socket, and a busy machine


def test_a_ticket_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", SEND],
            cwd=Path(__file__).parents[3],
            env=os.environ | {"REDIS_URL": url, "GENIE_BROKER_URL": url},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        assert ended.stdout == "False\n"
        assert time.monotonic() - began < LIMIT_S
