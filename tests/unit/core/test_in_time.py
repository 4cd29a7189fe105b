"""A scrape is answered in time, whoever hangs."""

import threading
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from genie.core.in_time import InTime

LIMIT_S = 10


class Hanging(Collector):
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        self.answered = threading.Event()

    def collect(self) -> Iterable[Metric]:
        self.asked += 1
        assert self.may_answer.wait(LIMIT_S)
        self.answered.set()
        return [_gauge("late")]


class Quick(Collector):
    def collect(self) -> Iterable[Metric]:
        return [_gauge("quick")]


def _gauge(name: str) -> Metric:
    return GaugeMetricFamily(name, name, value=1.0)


def _absent() -> Iterable[Metric]:
    return [_gauge("absent")]


def names(state: InTime) -> list[str]:
    return [one.name for one in state.collect()]


def test_who_hangs_is_told_of_in_its_place_and_holds_up_nobody() -> None:
    hanging = Hanging()
    state = InTime((hanging, _absent), (Quick(), _absent), limit_s=0.05)

    assert names(state) == ["absent", "quick"]
    hanging.may_answer.set()


def test_who_hangs_is_asked_once_and_believed_when_it_answers() -> None:
    hanging = Hanging()
    state = InTime((hanging, _absent), limit_s=0.01)
    assert names(state) == names(state) == ["absent"]
    assert hanging.asked == 1

    hanging.may_answer.set()
    assert hanging.answered.wait(LIMIT_S)
    patient = InTime((hanging, _absent), limit_s=LIMIT_S)

    assert names(patient) == ["late"]


def test_who_answers_in_time_is_told() -> None:
    assert names(InTime((Quick(), _absent), limit_s=LIMIT_S)) == ["quick"]
