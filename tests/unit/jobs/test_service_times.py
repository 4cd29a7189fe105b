"""Run times of models: what a worker learns, what several say together, what is made of them."""

import pytest

from jobs import service_times
from jobs.service_times import Latest, ServiceTime


def known(**attributes: float) -> ServiceTime:
    figures = {"p50_s": 2.0, "mean_s": 3.0, "mean_estimate": 100.0, "jobs": 10, "slots": 1}
    return ServiceTime(**(figures | attributes))  # type: ignore[arg-type] # counts are whole here


class TestLatest:
    def test_tells_the_figures_of_each_model(self) -> None:
        latest = Latest()
        for run_s, estimate in ((1.0, 10), (2.0, 20), (9.0, 90)):
            latest.add("m", run_s, estimate, slots=4)

        assert latest.report() == {
            "m": known(p50_s=2.0, mean_s=4.0, mean_estimate=40.0, jobs=3, slots=4)
        }

    def test_forgets_what_is_long_ago(self) -> None:
        latest = Latest()
        for run_s in [1000.0] * 50 + [1.0] * 100:
            latest.add("m", run_s, 1, slots=1)

        assert latest.report()["m"].mean_s == 1.0


class TestTogether:
    def test_workers_count_by_their_jobs_and_add_their_slots(self) -> None:
        slow = service_times.encode({"m": known(p50_s=4.0, mean_s=4.0, jobs=30, slots=2)})
        fast = service_times.encode({"m": known(p50_s=1.0, mean_s=1.0, jobs=10, slots=3)})

        both = service_times.together([slow, fast, "{}"])

        assert both == {"m": known(p50_s=3.25, mean_s=3.25, jobs=40, slots=5)}


class TestExpected:
    @pytest.mark.parametrize(
        ("estimate", "seconds"), [(100, 3.0), (50, 1.5), (1000, 30.0), (10**9, 60.0), (0, 0.15)]
    )
    def test_is_the_mean_times_the_size(self, estimate: int, seconds: float) -> None:
        assert service_times.expected_s(known(), estimate) == pytest.approx(seconds)

    def test_of_a_model_that_costs_nothing_is_the_mean(self) -> None:
        assert service_times.expected_s(known(mean_estimate=0.0), 0) == 3.0

    def test_of_an_unknown_model_is_a_second(self) -> None:
        assert service_times.expected_s(None, 5) == 1.0

    def test_is_never_nothing(self) -> None:
        assert service_times.expected_s(known(mean_s=0.0), 100) == service_times.SHORTEST_S


class TestEta:
    def test_adds_up_the_models_before_it(self) -> None:
        times = {"a": known(p50_s=2.0, slots=4), "b": known(p50_s=10.0, slots=1)}

        assert service_times.eta_s({"a": 6, "b": 2}, times, pace_s=None) == 6 * 0.5 + 2 * 10.0

    def test_takes_the_queues_pace_for_a_model_that_is_unknown(self) -> None:
        assert service_times.eta_s({"new": 3}, {}, pace_s=0.5) == 1.5

    def test_is_unknown_without_either(self) -> None:
        assert service_times.eta_s({"new": 3}, {}, pace_s=None) is None

    def test_of_a_job_without_a_place_is_unknown(self) -> None:
        assert service_times.eta_s({}, {}, pace_s=1.0) is None
