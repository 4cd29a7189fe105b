"""Jobs that are not to be kept: gone for callers soon after their end, and from every place within a pass."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory

from genie.core import errors, ids
from genie.core import redis as core_redis
from jobs import erasing, maintenance, stream
from jobs.intake import storing
from jobs.models import Job
from jobs.states import Mode
from tests import builders, in_process
from tests.integration.tenancy.world import CANARY, Who, World
from tests.integration.webhooks import builders as webhooks
from webhooks.models import Delivery, Event

UNSTORED = {"x-genie-store": "none"}
HOOK = {"url": "https://93.184.216.34/hook", "secret": "s"}


class TestHeader:
    @pytest.mark.parametrize(
        ("wanted_s", "stores", "mode", "lifetime_s"),
        [
            (None, True, Mode.ASYNC, None),
            (3600.0, True, Mode.SYNC, 3600.0),
            (None, False, Mode.SYNC, 60.0),
            (None, False, Mode.STREAM, 60.0),
            (None, False, Mode.ASYNC, 900.0),
            (30.0, False, Mode.ASYNC, 30.0),
            (3600.0, False, Mode.ASYNC, 900.0),
        ],
    )
    def test_shortens_a_lifetime_and_never_lengthens_it(
        self, wanted_s: float | None, mode: Mode, lifetime_s: float | None, *, stores: bool
    ) -> None:
        assert storing.lifetime_s(wanted_s, stores=stores, mode=mode) == lifetime_s

    def test_says_none_or_is_refused(self) -> None:
        assert storing.stores(RequestFactory().post("/"))
        assert not storing.stores(RequestFactory(headers={"X-Genie-Store": " None"}).post("/"))
        with pytest.raises(errors.InvalidRequest, match="X-Genie-Store"):
            storing.stores(RequestFactory(headers={"X-Genie-Store": "all"}).post("/"))


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("jobs.queue.sender.send", lambda jobs: None)
    with in_process.site() as site:
        yield World(site)


def submitted(world: World, path: str, body: Any) -> Job:
    answer = world.ask(Who.OWNER, "POST", path, body, headers=UNSTORED)
    assert answer.status in (200, 202), answer.body
    return Job.objects.latest("created_at")


# Each contract reads the header of the request in the way of its own.
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"mode": "async"}),
        ("/openai/v1/chat/completions", {"mode": "async"}),
        ("/v1/slow/chat/completions", {}),
        ("/v1/async/chat/completions", {}),
    ],
)
def test_every_contract_heeds_it(world: World, path: str, body: dict[str, Any]) -> None:
    chat = {"model": "echo-chat", "messages": [{"role": "user", "content": CANARY}]}

    assert submitted(world, path, chat | body).result_ttl_s == 900


def test_nothing_of_it_is_anywhere_once_it_has_expired(world: World) -> None:
    chat = {
        "model": "echo-chat",
        "messages": [{"role": "user", "content": CANARY}],
        "mode": "async",
        "webhook": HOOK,
    }
    job = submitted(world, "/v1/chat/completions", chat)
    (claimed,) = builders.claim(queue="chat")
    core_redis.client().xadd(stream.channel(job.id), {"e": CANARY})
    result = {**builders.CHAT_RESULT, "choices": [{"message": {"content": CANARY}}]}
    builders.finish(claimed, result=result)
    poll = f"/v1/jobs/{ids.bare(job.id)}"
    assert CANARY.encode() in world.ask(Who.OWNER, "GET", poll).body
    assert CANARY.encode() in bytes(Event.objects.get().body)

    with builders.later("16 minutes"):
        assert maintenance.erase()["expired_jobs"] == 1

    row = Job.objects.get(id=job.id)
    assert (row.request, row.result, row.cost_microcredits) == ({}, {}, 7)
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()
    assert not core_redis.client().exists(stream.channel(job.id))
    assert found_anywhere(CANARY) == []


def test_a_job_whose_webhook_is_on_its_way_is_left_to_the_next_pass(world: World) -> None:
    job = builders.make_ended_job(result_ttl_s=1.0, webhook_url="https://93.184.216.34/hook")
    webhooks.execute(
        "UPDATE webhooks_delivery SET lease_expires_at = genie_now() + interval '1 hour',"
        " next_attempt_at = genie_now() + interval '1 hour'"
    )

    with builders.later("1 minute"):
        assert erasing.erase_expired(limit=10) == 0
        assert Event.objects.filter(reference=job.id).exists()
    with builders.later("2 hours"):
        assert erasing.erase_expired(limit=10) == 1
    assert not Event.objects.exists()


def found_anywhere(text: str) -> list[str]:
    """Return the tables with a row that has the text in whatever column."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [row[0] for row in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(
                f"SELECT 1 FROM {table} t WHERE t::text LIKE %s OR t::text LIKE %s LIMIT 1",  # noqa: S608
                [f"%{text}%", f"%{text.encode().hex()}%"],
            )
            if cursor.fetchone():
                found.append(table)
    return found
