"""What a system weighs while it works: memory of each process, keys of Redis, connections of PostgreSQL."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil
import psycopg
import redis

from tests.acceptance.system import System

EVERY_S = 5.0
WARM = 0.4  # of the time, in which models are loaded and caches filled; it is not judged
LEAST_SHARE = 0.5  # of the rest, for which a process must have lived to be judged
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'genie'"


@dataclass(frozen=True, slots=True)
class Weight:
    """One thing at one moment, on the monotonic clock."""

    at: float
    value: float


@dataclass(slots=True, kw_only=True)
class Scale:
    """Weighs every few seconds, in a thread of its own."""

    system: System
    weights: dict[str, list[Weight]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="scale")
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for name, pid in self.system.supervisor.pids().items():
                try:
                    mebibytes = psutil.Process(pid).memory_info().rss / (1 << 20)
                except psutil.NoSuchProcess:
                    continue
                self._note(f"{name} {pid}", mebibytes)
            try:
                with self.system.redis() as client:
                    self._note("redis keys", client.dbsize())
                self._note("postgres connections", self.system.sql(_CONNECTIONS)[0][0])
            except (redis.RedisError, OSError, psycopg.OperationalError):
                continue  # a fault has taken it away

    def _note(self, name: str, value: float) -> None:
        self.weights.setdefault(name, []).append(Weight(time.monotonic(), value))


def report(weights: Mapping[str, Sequence[Weight]]) -> dict[str, dict[str, float]]:
    """Return of each thing what it weighs at the end and how it grows in an hour, once it is warm.

    Processes in MiB. What did not live through most of the time is left out.
    """
    moments = [one.at for series in weights.values() for one in series]
    if not moments:
        return {}
    warm_at = min(moments) + WARM * (max(moments) - min(moments))
    span_s = max(moments) - warm_at
    found = {}
    for name, series in sorted(weights.items()):
        judged = [one for one in series if one.at >= warm_at]
        if len(judged) >= 3 and judged[-1].at - judged[0].at >= LEAST_SHARE * span_s:
            found[name.partition(" ")[0] if name[-1].isdigit() else name] = {
                "last": round(judged[-1].value, 1),
                "perHour": round(slope(judged) * 3600, 1),
            }
    return found


def slope(series: Sequence[Weight]) -> float:
    """Return by how much a series grows in a second, by least squares.

    >>> slope([Weight(0, 1), Weight(10, 2), Weight(20, 3)])
    0.1
    """
    at = sum(one.at for one in series) / len(series)
    value = sum(one.value for one in series) / len(series)
    spread = sum((one.at - at) ** 2 for one in series)
    return sum((one.at - at) * (one.value - value) for one in series) / spread
