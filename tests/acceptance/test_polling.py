"""Journey: a caller looks at their jobs: one by one, waiting, cheaply, and page by page."""

import datetime as dt
import time
from collections.abc import Callable

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.system import until

SHORT = "a b c d e"  # about half a second on echo-slow


def test_a_poll_waits_for_the_end_when_asked(caller: Caller) -> None:
    job_id = caller.submit(SHORT, model="echo-slow")
    answer = caller.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=30"})
    assert answer.json()["status"] == "completed"


def test_a_poll_waits_no_longer_than_asked(caller: Caller) -> None:
    with caller.system.paused():
        job_id = caller.submit()
        began = time.monotonic()
        answer = caller.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=1"})
        assert 1 <= time.monotonic() - began < 5
        assert answer.status_code == 200
        assert answer.json()["status"] == "queued"


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=x", "respond-async", "wait=", "wait=0"])
def test_another_preference_is_ignored(caller: Caller, prefer: str) -> None:
    with caller.system.paused():
        job_id = caller.submit()
        answer = caller.get(f"/v1/jobs/{job_id}", headers={"Prefer": prefer}, timeout=5)
        assert answer.json()["status"] == "queued"


def test_a_preference_above_the_most_is_the_most(caller: Caller) -> None:
    job_id = caller.submit(SHORT, model="echo-slow")
    answer = caller.get(f"/v1/jobs/{job_id}", headers={"Prefer": "respond-async, wait=61"})
    assert answer.json()["status"] == "completed"


def test_a_sync_caller_who_prefers_to_wait_briefly_gets_the_job(caller: Caller) -> None:
    answer = caller.chat(" ".join(["x"] * 25), model="echo-slow", headers={"Prefer": "wait=1"})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body["object"] == "chat.completion.async"
    assert body["status"] == "running"
    job = caller.ended(body["id"])
    assert job["status"] == "completed"  # it was not cancelled


def test_a_sync_caller_who_prefers_to_wait_long_enough_gets_the_answer(caller: Caller) -> None:
    answer = caller.chat(SHORT, model="echo-slow", headers={"Prefer": "wait=30"})
    assert answer.status_code == 200
    assert answer.json()["object"] == "chat.completion"


def test_a_pending_job_says_when_to_come_back(caller: Caller) -> None:
    with caller.system.paused():
        job_id = caller.submit()
        pending = caller.get(f"/v1/jobs/{job_id}")
        assert int(pending.headers["Retry-After"]) >= 1
        assert int(pending.headers["openai-poll-after-ms"]) >= 100
        assert "result" not in pending.json()
        assert "eta_seconds" in pending.json()
    caller.ended(job_id)
    ended = caller.get(f"/v1/jobs/{job_id}")
    assert "Retry-After" not in ended.headers
    assert "openai-poll-after-ms" not in ended.headers
    assert "queue_position" not in ended.json()


def test_queue_positions_are_the_order_of_the_queue(new_caller: Callable[..., Caller]) -> None:
    one, other = new_caller(), new_caller()
    with one.system.paused():
        jobs = [(who, who.submit(str(number))) for number, who in enumerate([one, other] * 3)]
        positions = [who.job(job_id)["queue_position"] for who, job_id in jobs]
        # Between the two callers the expected run times decide, and those may change meanwhile.
        assert sorted(positions) == list(range(min(positions), min(positions) + 6))
        assert positions[::2] == sorted(positions[::2])
        assert positions[1::2] == sorted(positions[1::2])
        one.post(f"/v1/jobs/{jobs[0][1]}/cancel")
        left = [who.job(job_id)["queue_position"] for who, job_id in jobs[1:]]
        assert left == [place - (place > positions[0]) for place in positions[1:]]
    for who, job_id in jobs[1:]:
        who.ended(job_id)


def test_a_running_job_shows_its_progress(caller: Caller) -> None:
    job_id = caller.submit(" ".join(["x"] * 30), model="echo-slow", max_tokens=40)

    def progress() -> int:
        job = caller.job(job_id)
        return int(job.get("progress", 0)) if job["status"] == "running" else 0

    assert 0 < until(progress, what="some progress") < 100
    job = caller.ended(job_id)
    assert "progress" not in job


def test_an_unchanged_job_is_304(caller: Caller) -> None:
    with caller.system.paused():
        job_id = caller.submit()
        pending = caller.get(f"/v1/jobs/{job_id}")
        same = caller.get(
            f"/v1/jobs/{job_id}", headers={"If-None-Match": f'"other", {pending.headers["ETag"]}'}
        )
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["ETag"] == pending.headers["ETag"]
    caller.ended(job_id)
    changed = caller.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": pending.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != pending.headers["ETag"]
    again = caller.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": changed.headers["ETag"]})
    assert again.status_code == 304


def test_polling_is_free_and_changes_nothing(caller: Caller) -> None:
    job_id = caller.submit()
    caller.ended(job_id)
    before, balance = caller.row(job_id), caller.balance()
    bodies = {caller.get(f"/v1/jobs/{job_id}").text for _ in range(10)}
    assert len(bodies) == 1
    assert caller.row(job_id) == before
    assert caller.balance() == balance


def test_jobs_are_listed_newest_first_page_by_page(caller: Caller) -> None:
    jobs = [caller.submit(str(number)) for number in range(7)]
    for job_id in jobs:
        caller.ended(job_id)

    seen, cursor = [], ""
    for _ in range(4):
        page = caller.get(f"/v1/jobs?limit=2{cursor}").json()
        assert page["object"] == "list"
        seen += [job["id"] for job in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == jobs[::-1]
    assert page["data"][0]["id"] == jobs[0]


def test_a_list_is_filtered(caller: Caller, new_caller: Callable[..., Caller]) -> None:
    new_caller().submit("another organisation's")
    caller.system.manage("create_application", "--org", caller.slug, "--name", "app")
    of_app = new_caller("--application", "app", slug=caller.slug)
    ok, broken = caller.submit(), caller.submit(model="echo-broken")
    mine = of_app.submit(model="parrot")
    for job_id in (ok, broken, mine):
        caller.ended(job_id)

    def listed(query: str) -> set[str]:
        answer = caller.get(f"/v1/jobs?{query}")
        assert answer.status_code == 200, answer.text
        return {job["id"] for job in answer.json()["data"]}

    assert listed("") == {ok, broken, mine}
    assert listed("status=completed") == {ok, mine}
    assert listed("status=failed") == {broken}
    assert listed("model=echo") == {ok, mine}
    assert listed("model=echo&status=failed") == set()
    ((application_id,),) = caller.system.sql(
        "SELECT a.id FROM tenants_application a JOIN tenants_organization o"
        " ON o.id = a.organization_id WHERE o.slug = %s",
        caller.slug,
    )
    assert listed(f"application={application_id}") == {mine}
    hour = dt.timedelta(hours=1)
    now = dt.datetime.now(dt.UTC)
    later, earlier = (now + hour).strftime("%Y-%m-%dT%H:%M:%SZ"), int((now - hour).timestamp())
    assert listed(f"created_after={earlier}&created_before={later}") == {ok, broken, mine}
    assert listed(f"created_after={later}") == set()
    assert listed(f"created_before={earlier}") == set()
