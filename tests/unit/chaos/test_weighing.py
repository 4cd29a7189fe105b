"""How a system grows is told of what has lived long enough, after it is warm."""

import doctest

from tests.chaos import weighing
from tests.chaos.weighing import Weight


def test_examples_hold() -> None:
    assert doctest.testmod(weighing) == (0, 1)


def test_growth_counts_once_it_is_warm() -> None:
    loads = [Weight(at, 100.0 if at >= 40 else at) for at in range(0, 101, 5)]
    leaks = [Weight(at, 50 + at / 100) for at in range(0, 101, 5)]

    found = weighing.report({"web-1 77": loads, "redis keys": leaks})

    assert found == {
        "web-1": {"last": 100.0, "perHour": 0.0},
        "redis keys": {"last": 51.0, "perHour": 36.0},
    }


def test_what_began_late_is_not_judged() -> None:
    whole = [Weight(at, 1.0) for at in range(0, 101, 5)]

    assert set(weighing.report({"web-1 77": whole, "web-1 99": whole[-5:]})) == {"web-1"}
    assert weighing.report({}) == {}
