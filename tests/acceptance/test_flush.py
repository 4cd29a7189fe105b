"""Journey: the broker forgets everything, and no accepted job is lost."""

import itertools

from tests.acceptance.callers import Caller
from tests.acceptance.parallel import together
from tests.acceptance.system import until


def test_all_queued_jobs_complete_after_flushall(caller: Caller) -> None:
    with caller.system.paused():
        jobs = together(50, lambda number: caller.submit(f"number {number}"), threads=10)
        with caller.system.redis() as client:
            client.flushall()
    for number, job_id in enumerate(jobs):
        job = caller.ended(job_id)
        assert job["status"] == "completed"
        assert job["result"]["choices"][0]["message"]["content"] == f"echo: number {number}"
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")


def test_a_stream_survives_flushall_in_its_middle(caller: Caller) -> None:
    text = " ".join(f"word{number}" for number in range(20))
    with caller.chat(text, model="echo-slow", stream=True, stream_http=True) as answer:
        lines = answer.iter_lines(chunk_size=1)
        seen = list(itertools.islice(lines, 12))
        assert len(seen) == 12, seen
        with caller.system.redis() as client:
            client.flushall()
        raw = b"\n".join([*seen, *lines]).decode()
    words = [part.split('"')[0] for part in raw.split('"content":"')[1:]]
    assert "".join(words) == f"echo: {text}"
    assert raw.rstrip().endswith("data: [DONE]")
