"""The claim loop: when it asks the database, and for how much."""

import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from jobs import canaries, claims
from jobs.claiming import ClaimLoop
from jobs.claims import Claim, Claimed

LIMIT_S = 10
SLOTS = 4


class Host:
    """A worker process that runs what the test says."""

    def __init__(self) -> None:
        self.stopping = False
        self.taken = 0
        self.solo = False
        self.loaded: list[str] = []

    def running(self) -> int:
        return self.taken

    def slots_taken(self, _queue: str) -> int:
        return self.taken

    def loaded_models(self) -> list[str]:
        return self.loaded

    def runs_solo(self) -> bool:
        return self.solo

    def run(self, claimed: Claimed) -> None:
        raise AssertionError(claimed)

    def pause(self) -> None:
        raise AssertionError


class Database:
    """Answers claims as the test says, and lets it wait for them."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.more = False
        self._asked = threading.Semaphore(0)

    def claim(self, _queue: str, *, limit: int, **_: Any) -> Claim:
        self.limits.append(limit)
        self._asked.release()
        return Claim(jobs=[], more=self.more)

    def wait(self) -> None:
        assert self._asked.acquire(timeout=LIMIT_S)

    def is_asked(self, *, within_s: float) -> bool:
        return self._asked.acquire(timeout=within_s)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(claims, "claim", made.claim)
    return made


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def start(host: Host, settings: Settings) -> Iterator[Callable[..., ClaimLoop]]:
    loops: list[ClaimLoop] = []

    def make(*, look_s: float = 3600) -> ClaimLoop:
        settings.GENIE_CLAIM_LOOK_S = look_s
        loop = ClaimLoop(host, "chat", slots=SLOTS, worker="w", lease_s=30, models=None)
        loops.append(loop)
        loop.start()
        return loop

    yield make
    host.stopping = True
    for loop in loops:
        loop.wake(0)
        loop._thread.join(LIMIT_S)


def test_asks_for_as_much_as_it_was_woken_for_and_has_room_for(
    database: Database, host: Host, start: Callable[..., ClaimLoop]
) -> None:
    host.taken = 1
    loop = start()

    loop.wake(2)
    database.wait()
    loop.wake(100)
    database.wait()

    assert database.limits == [2, SLOTS - 1]


def test_a_freed_slot_asks_again_only_where_something_was_left(
    database: Database, start: Callable[..., ClaimLoop]
) -> None:
    loop = start()
    loop.wake(1)
    database.wait()
    _settled(loop, more=False)

    loop.slot_freed()
    assert not database.is_asked(within_s=0.05)

    database.more = True
    loop.wake(1)
    database.wait()
    _settled(loop, more=True)
    loop.slot_freed()
    database.wait()

    assert database.limits == [1, 1, 1]


def test_looks_by_itself_where_nobody_wakes_it(
    database: Database, start: Callable[..., ClaimLoop]
) -> None:
    start(look_s=0.01)

    database.wait()
    database.wait()

    assert database.limits[:2] == [SLOTS, SLOTS]


def test_a_job_that_runs_alone_keeps_it_from_asking(
    database: Database, host: Host, start: Callable[..., ClaimLoop]
) -> None:
    host.solo = True
    loop = start()

    loop.wake(1)
    assert not database.is_asked(within_s=0.05)
    host.solo = False
    loop.slot_freed()

    database.wait()


def _settled(loop: ClaimLoop, *, more: bool) -> None:
    """Wait until the loop has taken the claim's answer in."""
    done = threading.Event()
    for _ in range(1000):
        if loop._more is more:
            return
        done.wait(0.01)
    raise AssertionError(f"the loop never learned that more is {more}")


def test_a_canary_is_answered_in_its_turn_and_claims_nothing(
    database: Database, start: Callable[..., ClaimLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: queue.Queue[tuple[uuid.UUID, str]] = queue.Queue()

    def answer(token: uuid.UUID, *, worker: str) -> bool:
        answered.put((token, worker))
        return True

    monkeypatch.setattr(canaries, "answer", answer)
    token = uuid.uuid4()
    loop = start()

    loop.answer(token)

    assert answered.get(timeout=LIMIT_S) == (token, "w")
    assert database.limits == []
