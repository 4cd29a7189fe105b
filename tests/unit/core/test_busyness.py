"""A thread's busyness is the share of its latest time, and what is long past counts for nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.core.busyness import Busyness


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def after(*spans: tuple[float, float]) -> float:
    """Return the share after these rests and pieces of work, in seconds."""
    clock = Clock()
    busyness = Busyness(clock)
    for rest_s, work_s in spans:
        clock.now_s += rest_s
        with busyness.working():
            clock.now_s += work_s
    return busyness.share()


def test_is_none_before_any_work() -> None:
    assert after() == 0


def test_of_work_without_a_rest_is_whole() -> None:
    assert after(*[(0, 0.005)] * 400) == pytest.approx(1)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 0.9])
def test_of_regular_work_is_its_share(share: float) -> None:
    period_s = 0.001
    spans = [((1 - share) * period_s, share * period_s)] * 2000

    assert after(*spans) == pytest.approx(share, abs=0.01)


def test_fades_while_nothing_is_done() -> None:
    clock = Clock()
    busyness = Busyness(clock)
    with busyness.working():
        clock.now_s += 10

    clock.now_s += 0.1
    assert busyness.share() == pytest.approx(math.exp(-1), abs=0.001)
    clock.now_s += 10
    assert busyness.share() == pytest.approx(0, abs=0.001)


def test_counts_work_that_failed() -> None:
    clock = Clock()
    busyness = Busyness(clock)

    def fail() -> None:
        with busyness.working():
            clock.now_s += 10
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert busyness.share() == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10))))
def test_is_a_share(spans: list[tuple[float, float]]) -> None:
    assert 0 <= after(*spans) <= 1
