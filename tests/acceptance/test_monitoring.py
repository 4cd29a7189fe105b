"""Journey: an operator reads metrics that are right over all processes, and follows a request in the logs."""

import json

import requests

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.system import System, until

Values = dict[str, float]


def scrape(system: System, url: str) -> Values:
    """Return each series of a web process's metrics by its name and labels, as they are written."""
    token = system.env["GENIE_METRICS_TOKEN"]
    answer = requests.get(
        f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_counts_over_all_processes_and_follows_a_request(system: System, caller: Caller) -> None:
    accepted = 'genie_admissions_total{decision="accepted",queue="chat"}'
    ended = 'genie_jobs_ended_total{error="",model="echo",state="completed"}'
    before = scrape(system, system.base_url)

    answers = [
        caller.post("/v1/chat/completions", {"model": "echo", "messages": [
            {"role": "user", "content": "one two three"}]})
        for _ in range(6)
    ]  # fmt: skip

    def told(url: str) -> bool:
        now = scrape(system, url)
        return all(now.get(name, 0) - before.get(name, 0) >= 6 for name in (accepted, ended))

    assert {answer.status_code for answer in answers} == {200}
    until(lambda: told(system.base_url), what="the counts of all web processes and workers")
    until(lambda: told(system.strict_url), what="the same from another web process")
    now = scrape(system, system.strict_url)
    assert now["genie_database_up"] == 1
    assert now['genie_workers_ready{queue="chat"}'] == 2
    assert now['genie_queue_jobs{lane="interactive",queue="chat"}'] >= 0
    assert now['genie_tokens_total{kind="completion",model="echo"}'] > 0
    assert requests.get(f"{system.base_url}/metrics", timeout=10).status_code == 401

    request_id, job_id = (answers[0].headers[name] for name in ("X-Request-Id", "X-Genie-Job-Id"))
    lines = [
        json.loads(line)
        for log in (system.directory / "logs").glob("*.log")
        for line in log.read_text("utf-8", "replace").splitlines()
        if "job" in line and line.startswith("{")
    ]
    (line,) = [one for one in lines if one.get("request_id") == request_id]
    run = [one for one in lines if one.get("job") == line["job"] and one is not line]
    assert (line["message"], line["job"]) == ("A job was accepted", uuid_of(job_id))
    assert [(one["message"], one["outcome"]) for one in run] == [("An attempt ended", "completed")]
