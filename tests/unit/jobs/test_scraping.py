"""Metrics are read by whom the settings name, and by nobody where they name nobody."""

from typing import Any

import pytest

from jobs import scraping


def status(settings: Any, *, address: str = "127.0.0.1", sent: str | None = None) -> int:
    refusal = scraping.refusal(address=address, authorization=sent)
    return 200 if refusal is None else refusal.http_status


class TestRefusal:
    def test_off_is_off(self, settings: Any) -> None:
        settings.GENIE_METRICS_TOKEN, settings.GENIE_METRICS_NETWORKS = "", []

        assert status(settings) == 404
        assert status(settings, sent="Bearer ") == 404

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ("Bearer right", 200),
            ("Bearer wrong", 401),
            ("Bearer righ", 401),
            ("bearer right", 401),
            ("Basic right", 401),
            ("Bearer r\u00e9", 401),
            ("Bearer \u4e2d", 401),
            (None, 401),
        ],
    )
    def test_a_token_is_asked_for(self, settings: Any, sent: str | None, expected: int) -> None:
        settings.GENIE_METRICS_TOKEN, settings.GENIE_METRICS_NETWORKS = "right", []

        assert status(settings, sent=sent) == expected

    @pytest.mark.parametrize(
        ("address", "expected"),
        [("127.0.0.1", 200), ("10.2.3.4", 200), ("::ffff:10.2.3.4", 200), ("192.0.2.1", 404)],
    )
    def test_a_network_is_asked_for(self, settings: Any, address: str, expected: int) -> None:
        settings.GENIE_METRICS_TOKEN = ""
        settings.GENIE_METRICS_NETWORKS = ["127.0.0.1", "10.0.0.0/8"]

        assert status(settings, address=address) == expected

    def test_both_are_asked_for_where_both_are_set(self, settings: Any) -> None:
        settings.GENIE_METRICS_TOKEN, settings.GENIE_METRICS_NETWORKS = "right", ["127.0.0.1"]

        assert status(settings, sent="Bearer right") == 200
        assert status(settings) == 401
        assert status(settings, address="192.0.2.1", sent="Bearer right") == 404
