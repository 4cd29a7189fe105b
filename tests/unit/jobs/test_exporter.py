"""Processes without HTTP of their own serve metrics: one of a machine for all of them."""

from typing import Any

import pytest
import requests

from genie.core import metrics
from genie.standalone import ports
from jobs import exporter
from jobs.exporter import Exporter
from tests.acceptance.system import until


@pytest.fixture
def port(settings: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    settings.GENIE_METRICS_TOKEN, settings.GENIE_METRICS_NETWORKS = "right", []
    monkeypatch.setattr(exporter, "_LOOK_AGAIN_S", 0.01)
    return ports.free_port()


def get(port: int, path: str = "/metrics", sent: str = "Bearer right") -> tuple[int, str]:
    headers = {"Authorization": sent}
    answer = requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=5)
    return answer.status_code, answer.text


def serving(port: int) -> Exporter:
    one = Exporter("127.0.0.1", port)
    one.start()
    until(lambda: one.port, what="the exporter")
    return one


def test_serves_what_the_process_counts_to_who_may_read_it(port: int) -> None:
    metrics.unparked.inc()
    one = serving(port)
    try:
        status, text = get(port)
        refused, elsewhere = get(port, sent="Bearer wrong"), get(port, "/")
    finally:
        one.close()

    assert status == 200
    assert "\n# TYPE genie_jobs_unparked_total counter\n" in text
    assert (refused, elsewhere) == ((401, ""), (404, ""))


def test_another_process_takes_the_address_when_the_first_ends(port: int) -> None:
    first, second = serving(port), Exporter("127.0.0.1", port)
    second.start()
    try:
        assert second.port is None

        first.close()

        assert until(lambda: second.port, what="the second exporter") == port
        assert get(port)[0] == 200
    finally:
        second.close()


def test_is_off_without_an_address(settings: Any) -> None:
    settings.GENIE_METRICS_LISTEN = None

    assert exporter.start() is None
