"""The load of a campaign: calls at an even pace from many clients, until enough have been accepted."""

import itertools
import random
import threading
import time
from collections.abc import Callable

from tests.chaos.client import Client
from tests.chaos.evidence import Told
from tests.chaos.plan import Plan, call

PEEK_SHARE = 0.05


class Load:
    """Makes the plan's calls one after the other from as many threads as the plan has clients."""

    def __init__(self, plan: Plan, client: Client, note: Callable[..., None]) -> None:
        self._plan = plan
        self._client = client
        self._note = note
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._began = 0.0
        self._threads = [
            threading.Thread(target=self._run, name=f"client-{number}")
            for number in range(plan.clients)
        ]
        self.told: list[Told] = []
        self.accepted = 0
        self.trouble: list[str] = []

    def start(self) -> None:
        """Begin; returns at once."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no further call."""
        self._enough.set()

    def join(self) -> None:
        """Wait until the last call has been made."""
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while (number := self._next()) is not None:
                told = self._client.make(call(self._plan, number))
                self._peek(told)
                with self._lock:
                    self.told.append(told)
                    self.accepted += told.accepted
                self._note("call", told)
        except Exception as error:
            self.trouble.append(f"{threading.current_thread().name}: {error!r}")

    def _next(self) -> int | None:
        """Return the number of the next call at its time; None once there are enough."""
        with self._lock:
            number = next(self._numbers)
        due = self._began + number / self._plan.pace
        if self._enough.wait(max(0.0, due - time.monotonic())):
            return None
        return number

    def _peek(self, told: Told) -> None:
        """Now and then ask for a job of somebody else."""
        draw = random.Random(f"peek {self._plan.seed} {told.call.number}")  # noqa: S311 - as planned
        if draw.random() > PEEK_SHARE:
            return
        with self._lock:
            others = [
                one
                for one in self.told[-200:]
                if one.ids and one.call.organization != told.call.organization
            ]
        if others:
            self._client.peek(told, min(draw.choice(others).ids))
