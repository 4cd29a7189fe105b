"""Answers are counted by route, in a closed set of labels."""

import pytest

from genie.core import metrics, traffic


def requests(method: str, route: str, status: str) -> float:
    return float(metrics.http_requests.labels(method, route, status)._value.get())


class TestAnswered:
    def test_counts_and_times(self) -> None:
        before = requests("GET", "/test/<id>", "200")
        spent = metrics.http_seconds.labels("/test/<id>")._sum.get()

        for _ in range(3):
            traffic.answered("GET", "/test/<id>", 200, 0.5)

        assert requests("GET", "/test/<id>", "200") == before + 3
        assert metrics.http_seconds.labels("/test/<id>")._sum.get() == spent + 1.5

    def test_a_method_that_nobody_has_heard_of_is_no_label(self) -> None:
        before = requests("other", traffic.NO_ROUTE, "405")

        traffic.answered("BREW", traffic.NO_ROUTE, 405, 0.1)
        traffic.answered("WHEN", traffic.NO_ROUTE, 405, 0.1)

        assert requests("other", traffic.NO_ROUTE, "405") == before + 2


@pytest.mark.parametrize(
    ("pattern", "route"),
    [
        ("health", "/health"),
        ("v1/jobs/<str:job_id>/events", "/v1/jobs/<job_id>/events"),
        ("api/<slug:org>/keys/<uuid:key>", "/api/<org>/keys/<key>"),
        ("plain/<name>", "/plain/<name>"),
    ],
)
def test_a_route_is_its_pattern_without_types(pattern: str, route: str) -> None:
    assert traffic.route_of(pattern) == route
