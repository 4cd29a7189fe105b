"""Canary tickets: one on its way for each queue, timed by the database's clock."""

import uuid

import pytest

from jobs import canaries, queue, sweep
from jobs.presence import Presence, Report
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "webhook_tickets")]


def take(*queues: str) -> dict[str, uuid.UUID]:
    return canaries.take_due(queues or ("chat",), every_s=15)


class TestDue:
    def test_a_queue_has_one_on_its_way_at_most(self) -> None:
        first = take("chat", "image")

        assert set(first) == {"chat", "image"}
        assert take("chat", "image") == {}

    def test_one_that_is_not_answered_is_sent_again_as_it_is(self) -> None:
        first = take()

        with builders.later("16 seconds"):
            assert take() == first
        with builders.later("20 seconds"):
            assert take() == {}
            assert [one.waiting_s for one in canaries.read()] == [pytest.approx(20, abs=1)]

    def test_after_an_answer_the_next_one_is_another(self) -> None:
        first = take()
        canaries.answer(first["chat"], worker="w")

        assert take() == {}
        with builders.later("16 seconds"):
            assert take()["chat"] != first["chat"]


class TestAnswer:
    def test_tells_what_the_way_took(self) -> None:
        token = take()["chat"]
        with builders.later("2 seconds"):
            assert canaries.answer(token, worker="cpu@host:1")

        (canary,) = canaries.read()

        assert canary.latency_s == pytest.approx(2, abs=1)
        assert (canary.worker, canary.waiting_s) == ("cpu@host:1", 0)

    def test_counts_once_and_only_for_the_one_that_is_on_its_way(self) -> None:
        token = take()["chat"]

        assert not canaries.answer(uuid.uuid4(), worker="w")
        assert canaries.answer(token, worker="w")
        assert not canaries.answer(token, worker="w")


class TestSweep:
    def test_sends_one_to_each_queue_of_models_and_workers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: dict[str, uuid.UUID] = {}
        monkeypatch.setattr(
            queue, "send_canary", lambda name, token: sent.setdefault(name, token) is token
        )
        Presence("w@h:1", ["video", "own-queue", "webhooks"], report=Report)._upsert(Report())

        sweep.run_once()

        assert {"chat", "embedding", "video", "own-queue"} <= set(sent)
        assert not {"webhooks", "maintenance"} & set(sent)

    def test_a_broker_that_is_away_is_asked_once_a_pass(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def refuse(name: str, _token: uuid.UUID) -> bool:
            asked.append(name)
            return False

        monkeypatch.setattr(queue, "send_canary", refuse)

        sweep.run_once()

        assert len(asked) == 1
