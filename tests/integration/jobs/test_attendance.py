"""Operators see which worker processes there are, and how each does."""

import io
import json
import re
from typing import Any

import pytest
from django.core.management import call_command

from jobs import attendance
from jobs.attendance import Health
from jobs.presence import Presence, Report
from tests import builders

pytestmark = pytest.mark.django_db


def worker(name: str, queues: list[str], **report: Any) -> Presence:
    made = Presence(name, queues, report=Report)
    made._upsert(Report(**report))
    return made


def say(*words: str) -> str:
    out = io.StringIO()
    call_command("workers", "status", *words, stdout=out)
    return out.getvalue()


def run(*words: str) -> Any:
    return json.loads(say(*words, "--json").splitlines()[-1])


def health() -> Health:
    (one,) = attendance.workers()
    return one.health


class TestHealth:
    def test_goes_from_loading_to_serving(self) -> None:
        worker("gpu0@rack-1:7", ["chat", "embedding"], warming=["embedding"])
        assert health() is Health.LOADING

        worker("gpu0@rack-1:7", ["chat", "embedding"])
        assert health() is Health.SERVING

    @pytest.mark.parametrize(
        ("age", "expected"), [("20 seconds", Health.STALE), ("31 seconds", Health.LOST)]
    )
    def test_of_one_that_reports_no_more(self, age: str, expected: Health) -> None:
        worker("gpu0@rack-1:7", ["chat"])

        with builders.later(age):
            assert health() is expected

    def test_one_that_is_lost_is_listed_for_ten_minutes_and_one_that_left_for_an_hour(self) -> None:
        worker("lost@rack-1:7", ["chat"])
        worker("left@rack-1:8", ["chat"])._leave()

        with builders.later("9 minutes"):
            assert [one.name for one in attendance.workers()] == ["left@rack-1:8", "lost@rack-1:7"]
        with builders.later("11 minutes"):
            assert [one.name for one in attendance.workers()] == ["left@rack-1:8"]
        with builders.later("61 minutes"):
            assert attendance.workers() == []

    @pytest.mark.parametrize(
        ("trouble", "expected"), [("", Health.LEFT), ("A step hangs.", Health.REPLACED)]
    )
    def test_of_one_that_has_left(self, trouble: str, expected: Health) -> None:
        one = worker("gpu0@rack-1:7", ["chat"])
        one._trouble = trouble
        one._leave()

        assert health() is expected


class TestCommand:
    def test_tells_where_each_is_and_what_it_does(self, account: Any) -> None:
        worker(
            "gpu0@rack-1.lan:7", ["chat"], slots=8, loaded_models=["echo-chat"],
            model_bytes={"echo-chat": 1 << 20}, memory_budget_bytes=1 << 30,
        )  # fmt: skip
        job = builders.make_job(account)
        builders.claim(worker="gpu0@rack-1.lan:7")

        (told,) = run()

        assert (told["entry"], told["host"], told["pid"]) == ("gpu0", "rack-1.lan", 7)
        assert (told["health"], told["queues"], told["slots"]) == ("serving", ["chat"], 8)
        assert (told["jobs"], told["models"]) == ([str(job.id)], {"echo-chat": 1 << 20})
        assert told["heartbeatAgeSeconds"] < 5
        assert "1 of 8" in say()

    def test_leaves_out_who_was_stopped_in_order_unless_asked(self) -> None:
        worker("cpu@host:1", ["chat"])._leave()

        assert run() == []
        assert [one["health"] for one in run("--all")] == ["left"]
        assert "No worker is there" in say()

    def test_says_since_when_nothing_was_heard_of_one_that_is_lost(self) -> None:
        worker("cpu@host:1", ["chat"])

        with builders.later("5 minutes"):
            assert re.search(r"lost .* 5 min ago", say())
