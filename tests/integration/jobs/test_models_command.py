"""``models`` and ``jobs queues``: what operators see of models, workers and queues."""

import io
import json
from collections.abc import Callable, Collection
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs import canaries, control
from jobs.control import Order
from jobs.presence import Presence, Report
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def run(*words: str) -> Any:
    return json.loads(say(*words, "--json").splitlines()[-1])


@pytest.fixture
def worker() -> str:
    """Let a worker of chat be seen that has a model in memory."""
    report = Report(loaded_models=["echo-chat"], model_bytes={"echo-chat": 3 * 2**20}, slots=4)
    Presence("gpu0@host:1", ["chat"], report=lambda: report)._upsert(report)
    return "gpu0@host:1"


class TestList:
    def test_tells_where_each_model_is_loaded_and_how_large(self, worker: str) -> None:
        found = {one["id"]: one for one in run("models", "list")}

        assert found["echo-chat"]["loadedOn"] == [{"worker": worker, "bytes": 3 * 2**20}]
        assert found["echo-embedding"]["loadedOn"] == []
        assert found["echo-chat"]["queue"] == "chat"

    def test_for_people_it_is_a_table(self, worker: str) -> None:
        lines = say("models", "list").splitlines()

        (line,) = [line for line in lines if line.startswith("echo-chat ")]
        assert f"{worker} (3.0 MiB)" in line
        assert "none needed" in line


class TestCheck:
    def test_what_needs_no_files_is_well(self) -> None:
        assert run("models", "check", "echo-chat") == {
            "echo-chat": {"ok": True, "problems": [], "remarks": []}
        }

    def test_an_unknown_model_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match="There is no model named 'none'"):
            say("models", "check", "none")


class TestPull:
    def test_what_needs_no_files_has_nothing_to_pull(self) -> None:
        with pytest.raises(CommandError, match="nothing to pull"):
            say("models", "pull", "echo-chat")


class TestOrders:
    @pytest.fixture
    def orders(self, monkeypatch: pytest.MonkeyPatch) -> list[Order]:
        """Return the orders given; the worker answers as its name says."""
        given: list[Order] = []

        def give(
            order: Order, *, timeout_s: float, serving: Callable[[], Collection[str]]
        ) -> dict[str, str]:
            del timeout_s
            assert set(order.workers) <= set(serving())
            given.append(order)
            return {name: "It does not fit." if "full" in name else "" for name in order.workers}

        monkeypatch.setattr(control, "give_order", give)
        return given

    def test_a_load_is_asked_of_the_workers_of_its_queue(
        self, worker: str, orders: list[Order]
    ) -> None:
        Presence("gpu1@host:2", ["image"], report=Report)._upsert(Report())

        assert run("models", "load", "echo-chat")["workers"] == {worker: "ok"}
        assert orders == [Order(verb="load", model="echo-chat", workers=(worker,))]

    def test_a_worker_that_could_not_is_told_of_and_fails_the_command(
        self, worker: str, orders: list[Order]
    ) -> None:
        Presence("full@host:3", ["chat"], report=Report)._upsert(Report())

        with pytest.raises(CommandError, match="otherwise on 1 of 2 workers"):
            say("models", "unload", "echo-chat")

        assert set(orders[0].workers) == {worker, "full@host:3"}

    @pytest.mark.parametrize("verb", ["load", "unload"])
    def test_a_dry_run_asks_nobody(self, worker: str, orders: list[Order], verb: str) -> None:
        told = run("models", verb, "echo-chat", "--dry-run")

        assert (told["workers"], orders) == ([worker], [])

    def test_without_a_worker_nothing_is_asked(self, orders: list[Order]) -> None:
        with pytest.raises(CommandError, match="No worker serves the queue chat"):
            say("models", "load", "echo-chat")

        assert orders == []


class TestQueues:
    def test_tells_what_waits_who_serves_and_what_a_ticket_takes(self, worker: str) -> None:
        builders.make_job()
        token = canaries.take_due(["chat"], every_s=15)["chat"]
        canaries.answer(token, worker=worker)

        found = {one["queue"]: one for one in run("jobs", "queues")}

        chat = found["chat"]
        assert (chat["queued"], chat["ready"], chat["ticketAnsweredBy"]) == (1, True, worker)
        assert 0 <= chat["ticketSeconds"] < 5
        assert found["embedding"]["ready"] is False

    def test_for_people_it_is_a_line_each(self, worker: str) -> None:
        del worker
        canaries.take_due(["chat"], every_s=15)

        with builders.later("20 seconds"):
            said = say("jobs", "queues")

        assert "no ticket timed yet, one is on its way for 20 s" in said
