"""What counts as standing still, and that it is told once."""

import queue

import pytest

from inference.engine import Progress
from inference.types import Modality
from jobs import watchdog
from jobs.watchdog import Stall, StallLimits, Watchdog

LIMITS = StallLimits(step_s={"chat": 10, "video": 100}, load_s=50)


def step(since: float, modality: Modality = Modality.CHAT) -> Progress:
    return Progress(model=f"a-{modality}", modality=modality, is_loading=False, since=since)


LOAD = Progress(model="b", modality=Modality.CHAT, is_loading=True, since=0)


class Engine:
    """Says what the test says."""

    def __init__(self, *progress: Progress) -> None:
        self.now = list(progress)

    def progress(self) -> list[Progress]:
        return self.now


class TestFindStall:
    @pytest.mark.parametrize(
        ("progress", "now"),
        [
            ([], 1000),
            ([step(0)], 10),
            ([step(0, Modality.VIDEO)], 100),
            ([LOAD], 50),
        ],
    )
    def test_finds_nothing_within_the_limits(self, progress: list[Progress], now: float) -> None:
        assert watchdog.find_stall(progress, limits=LIMITS, now=now) is None

    @pytest.mark.parametrize(
        ("progress", "now", "trouble"),
        [
            (step(0), 11, "a step of model a-chat has not come further for 11 s"),
            (
                step(0, Modality.VIDEO),
                101,
                "a step of model a-video has not come further for 101 s",
            ),
            (LOAD, 51, "loading model b has not come further for 51 s"),
        ],
    )
    def test_finds_what_is_over_its_own_limit(
        self, progress: Progress, now: float, trouble: str
    ) -> None:
        stall = watchdog.find_stall([progress], limits=LIMITS, now=now)

        assert stall is not None
        assert stall.trouble == trouble

    def test_the_worst_is_told(self) -> None:
        stall = watchdog.find_stall([step(20), step(5)], limits=LIMITS, now=40)

        assert stall is not None
        assert stall.for_s == 35


class TestLook:
    def test_two_looks_are_needed(self) -> None:
        dog = _dog(Engine(step(0)))

        assert [dog.look() is not None for _ in range(2)] == [False, True]

    def test_one_that_went_on_between_them_is_no_stall(self) -> None:
        engine = Engine(step(0))
        dog = _dog(engine)
        dog.look()
        engine.now = [step(5)]  # late as well, but another step

        assert dog.look() is None

    def test_its_thread_tells_once(self) -> None:
        told: queue.Queue[Stall] = queue.Queue()
        dog = Watchdog(
            Engine(step(0)), limits=LIMITS, on_stall=told.put, clock=lambda: 100, check_s=0.001
        )

        dog.start()

        assert told.get(timeout=10).progress.model == "a-chat"
        dog.close()
        assert told.empty()


def _dog(engine: Engine) -> Watchdog:
    return Watchdog(engine, limits=LIMITS, on_stall=lambda _: None, clock=lambda: 100)
