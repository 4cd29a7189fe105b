"""Places where tests let a process die. Nothing happens at one unless ``GENIE_FAILPOINTS`` names it.

``POINT:kill`` kills the process that reaches the point, as the kernel would; ``POINT:kill:PATH`` does so
once, if there is a file PATH, which it removes. Several are separated by commas. A check refuses to
start in production with any.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from genie.core import env

POINTS = frozenset(
    {
        "before_admit_commit",  # a web process has inserted jobs, and nothing is committed
        "before_publish",  # a web process has committed jobs, and neither ticket nor answer is out
        "before_settle",  # a worker has results, and nothing of them is recorded
        "after_commit",  # a worker has recorded ends, and nobody has been told
        "after_post",  # a webhook's receiver has answered, and nothing is recorded
    }
)


def parse(text: str) -> Mapping[str, Callable[[], None]]:
    """Return what to do at each point that is named.

    Raises:
        SettingError: A point or an action is unknown.
    """
    actions = {}
    for one in filter(None, text.split(",")):
        point, _, action = one.strip().partition(":")
        kind, _, path = action.partition(":")
        if point not in POINTS or kind != "kill":
            raise env.SettingError(
                f"GENIE_FAILPOINTS has {one!r}; write POINT:kill or POINT:kill:PATH, with a point of"
                f" {', '.join(sorted(POINTS))}."
            )
        actions[point] = _killer(Path(path) if path else None)
    return actions


def _killer(path: Path | None) -> Callable[[], None]:
    def kill() -> None:
        with contextlib.suppress(FileNotFoundError):
            if path is not None:
                path.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


_actions = parse(env.text("GENIE_FAILPOINTS", ""))


def _reach(point: str) -> None:
    action = _actions.get(point)
    if action is not None:
        action()


def _pass(point: str) -> None:
    """Do nothing: no point is named."""


reach: Callable[[str], None] = _reach if _actions else _pass
