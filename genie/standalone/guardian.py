"""Outlive a killed supervisor just long enough to end what it had started: ``guardian.py GRACE_S``.

The kernel signals the direct children of a supervisor that dies (see launch.py), but not their
children, and a child may take its time. This process reads `watch PGID` and `forget PGID` lines;
when its input ends, the supervisor is gone, and process groups that are still there after a grace
period are killed. Run as a plain script; imports nothing but the standard library.
"""

import os
import select
import signal
import sys
import time

GRACE_S = 10.0  # PostgreSQL's fast shutdown and a worker without jobs need far less
POLL_S = 0.1


def main() -> None:
    """Follow the instructions on standard input until it ends, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[int] = set()
    for line in sys.stdin:
        verb, _, group = line.partition(" ")
        if verb == "watch":
            watched.add(int(group))
        else:
            watched.discard(int(group))
    end(watched, grace_s=float(sys.argv[1]))


def end(groups: set[int], *, grace_s: float) -> None:
    """Wait for the groups to end by themselves, then kill those that have not."""
    deadline = time.monotonic() + grace_s
    while any(exists(group) for group in groups) and time.monotonic() < deadline:
        select.select([], [], [], POLL_S)
    for group in filter(exists, groups):
        os.killpg(group, signal.SIGKILL)


def exists(group: int) -> bool:
    """Tell whether the process group still has a member."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
