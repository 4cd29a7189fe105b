"""Workers hear cancels, make themselves known, and wake who waits."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from genie.core import ids
from genie.core import redis as core_redis
from jobs import announce, attendance, control, live, presence, replies, stream
from jobs.control import Order
from jobs.models import Worker
from jobs.moves import Ended
from jobs.presence import Presence, Report
from jobs.replies import Reply
from tests import builders


class TestControl:
    @pytest.fixture
    def heard(self, redis_server: Any) -> Iterator[list[tuple[object, object]]]:
        """Return what a worker of the queue chat has heard; it listens when the test begins."""
        orders: list[tuple[object, object]] = []
        self._heard = threading.Event()
        stop = threading.Event()

        def hear(subject: object, detail: object) -> None:
            orders.append((subject, detail))
            self._heard.set()

        thread = threading.Thread(
            target=control.listen,
            args=(["chat"],),
            kwargs={
                "on_cancel": hear,
                "on_nudge": hear,
                "on_order": lambda order: hear(order.model, order),
                "until": stop,
            },
        )
        thread.start()
        _wait_for_subscriber(redis_server, control._NUDGES + "chat")
        yield orders
        stop.set()
        thread.join(5)

    def test_a_cancel_reaches_a_worker_with_its_reason(
        self, heard: list[tuple[object, object]]
    ) -> None:
        job_id = ids.new_id()

        control.announce_cancel(job_id, reason="Enough.")

        assert self._heard.wait(5)
        assert heard == [(job_id, "Enough.")]

    def test_a_nudge_reaches_the_workers_of_its_queue_alone(
        self, heard: list[tuple[object, object]]
    ) -> None:
        assert control.nudge({"embedding": 9}) == set()
        assert control.nudge({"embedding": 1, "chat": 3}) == {"chat"}

        assert self._heard.wait(5)
        assert heard == [("chat", 3)]

    def test_an_order_reaches_a_worker_and_its_answer_comes_back(
        self, heard: list[tuple[object, object]]
    ) -> None:
        order = Order(verb="load", model="big", workers=("a@host:1", "b@host:2"))
        given: list[dict[str, str]] = []
        asking = threading.Thread(
            target=lambda: given.append(
                control.give_order(order, timeout_s=9, serving=lambda: order.workers)
            )
        )
        asking.start()
        assert self._heard.wait(5)
        placed = heard[0][1]
        assert isinstance(placed, Order)

        control.answer_order(placed, worker="a@host:1", error="")
        control.answer_order(placed, worker="b@host:2", error="It does not fit.")
        asking.join(5)

        assert (placed.verb, placed.model, placed.workers) == ("load", "big", order.workers)
        assert given == [{"a@host:1": "", "b@host:2": "It does not fit."}]

    def test_a_worker_that_says_nothing_is_not_waited_for_longer_than_asked(
        self, redis_server: Any
    ) -> None:
        del redis_server
        order = Order(verb="load", model="big", workers=("a@host:1",))

        serving = lambda: order.workers  # noqa: E731 - all of them, always
        assert control.give_order(order, timeout_s=0.1, serving=serving) == {}

    def test_that_goes_to_workers_which_were_killed_waits_for_none(self, redis_server: Any) -> None:
        order = Order(verb="load", model="echo", workers=("gone", "lost"))

        assert control.give_order(order, timeout_s=60, serving=lambda: ()) == {}

    def test_announcing_never_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        away = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
        monkeypatch.setattr(core_redis, "client", lambda: away)

        control.announce_cancel(ids.new_id(), reason="Enough.")
        control.nudge({"chat": 1})
        announce.ended([make_ended()])


def make_ended(**attributes: Any) -> Ended:
    fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(Ended)}
    return Ended(**(fields | {"job_id": ids.new_id(), "reply_to": ""} | attributes))


class TestAnnounce:
    """An end that no worker told: the waiters are sent to the row."""

    def hear(self, server: Any, channel: str, job: Ended) -> bytes:
        with server.pubsub() as pubsub:
            pubsub.subscribe(channel)
            assert pubsub.get_message(timeout=5)["type"] == "subscribe"

            announce.ended([job])

            return bytes(pubsub.get_message(timeout=5)["data"])

    def test_an_end_wakes_the_jobs_waiters_with_an_empty_message(self, redis_server: Any) -> None:
        job = make_ended()

        assert self.hear(redis_server, stream.channel(job.job_id), job) == b""

    def test_an_end_tells_the_process_whose_caller_waits(self, redis_server: Any) -> None:
        job = make_ended(reply_to="genie:web:one")

        told = self.hear(redis_server, "genie:web:one", job)

        assert list(replies.decode(told)) == [Reply(job_id=job.job_id)]

    def test_nobody_to_wake_is_no_work(self) -> None:
        announce.ended([])


@pytest.mark.django_db(transaction=True)
class TestPresence:
    def test_a_worker_has_a_row(self) -> None:
        report = Report(slots=8, running=3, loaded_models=["echo-chat"], jobs_per_s={"chat": 4.0})
        written = _Written(Presence("w@host:1", ["chat", "embedding"], report=lambda: report))

        written.start()
        row = Worker.objects.get()
        seen = live.workers(within_s=30)
        written.close()

        assert (row.name, row.queues, row.slots, row.running) == (
            "w@host:1",
            ["chat", "embedding"],
            8,
            3,
        )
        assert seen.queues == seen.ready == {"chat", "embedding"}
        assert seen.loaded_models == {"echo-chat"}
        assert seen.pace == {"chat": 0.25}

    def test_who_waits_still_counts_on_one_that_has_left_but_readiness_does_not(self) -> None:
        report = Report(slots=8, loaded_models=["echo-chat"], jobs_per_s={"chat": 4.0})
        written = _Written(Presence("w", ["chat"], report=lambda: report))
        written.start()

        written.close()

        seen = live.workers(within_s=30)
        assert seen.queues == {"chat"}
        assert (seen.ready, seen.loaded_models, seen.pace) == (frozenset(), frozenset(), {})
        row = Worker.objects.get()
        assert row.left_at is not None
        assert row.slots == 0

    def test_one_that_is_replaced_says_why(self) -> None:
        report = Report(loaded_models=["big"], model_bytes={"big": 7}, memory_budget_bytes=9)
        written = _Written(Presence("gpu0@h:1", ["chat"], report=lambda: report))
        written.start()
        (serving,) = attendance.serving()
        loaded_on = live.workers(within_s=30).loaded_on

        written._presence.close(trouble="The device failed.")

        assert (serving.entry, serving.model_bytes) == ("gpu0", {"big": 7})
        assert loaded_on == {"big": ("gpu0",)}
        assert live.workers(within_s=30).trouble == {"chat": "The device failed."}
        assert attendance.serving() == []

    def test_a_queue_is_announced_as_soon_as_its_models_are_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(presence, "BEAT_S", 3600)  # no beat writes the row meanwhile
        warming = {"chat", "embedding"}
        written = _Written(
            Presence("w", ["chat", "embedding"], report=lambda: Report(warming=frozenset(warming)))
        )
        written.start()
        seen = live.workers(within_s=30)
        assert seen.queues == {"chat", "embedding"}
        assert not seen.ready

        written.wait_for_another(lambda: warming.remove("embedding"))
        assert live.workers(within_s=30).ready == {"embedding"}
        written.wait_for_another(lambda: warming.remove("chat"))
        assert live.workers(within_s=30).ready == {"chat", "embedding"}
        written.close()

    def test_a_worker_that_was_not_seen_for_a_while_serves_nothing(self) -> None:
        written = _Written(Presence("w", ["chat"], report=Report))
        written.start()

        with builders.later("31 seconds"):
            assert live.workers(within_s=30).queues == frozenset()
        written.close()

    def test_the_pace_of_a_queue_is_that_of_all_its_workers(self) -> None:
        rates = {"a": {"chat": 1.0}, "b": {"chat": 3.0, "image": 0.0}}
        written = [
            _Written(
                Presence(name, ["chat"], report=lambda rate=rate: Report(jobs_per_s=rate))  # type: ignore[misc]
            )
            for name, rate in rates.items()
        ]
        for one in written:
            one.start()

        assert live.workers(within_s=30).pace == {"chat": 0.25}
        for one in written:
            one.close()


class _Written:
    """A presence whose ``start`` returns once its row is there."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._done = threading.Event()
        self._upsert = presence._upsert
        presence._upsert = self._then_tell  # type: ignore[method-assign]
        self.close = presence.close

    def start(self) -> None:
        self._presence.start()
        assert self._done.wait(10)

    def wait_for_another(self, cause: Callable[[], None]) -> None:
        """Return once the row has been written again, after something that should cause it."""
        self._done.clear()
        cause()
        assert self._done.wait(30)

    def _then_tell(self, report: Report) -> None:
        self._upsert(report)
        self._done.set()


def _wait_for_subscriber(client: Any, channel: str) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if dict(client.pubsub_numsub(channel)).get(channel.encode()):
            return
        pause.wait(0.005)
    raise AssertionError(f"Nobody listens on {channel}.")
