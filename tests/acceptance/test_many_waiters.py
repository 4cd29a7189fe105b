"""Journey: hundreds wait on open connections, and everybody else is served as if they were not."""

import asyncio
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.parallel import together
from tests.acceptance.system import until

STREAMS = SYNCS = 200
PATIENCE_S = 2.0  # a poll meanwhile takes milliseconds; this allows for a busy machine


@pytest.mark.timeout(150)
def test_200_streams_and_200_sync_calls_do_not_stop_a_poll(caller: Caller) -> None:
    done = caller.submit("ready")
    caller.ended(done)

    answers = asyncio.run(_wait_while_polling(caller, done))
    streams, syncs = answers[:STREAMS], answers[STREAMS:]
    for number, raw in enumerate(streams):
        assert raw.startswith(b"HTTP/1.1 200 "), raw[:300]
        assert b"data: [DONE]" in raw, raw[-300:]
        assert raw.count(b'"content":" word"') == 10
        assert f'"content":" stream{number}"'.encode() in raw
    for number, raw in enumerate(syncs):
        assert raw.startswith(b"HTTP/1.1 200 "), raw[:300]
        expected = f"echo: sync{number}" + " word" * 10
        body = json.loads(raw.partition(b"\r\n\r\n")[2])
        assert body["choices"][0]["message"]["content"] == expected
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert caller.jobs_count() == STREAMS + SYNCS + 1


async def _wait_while_polling(caller: Caller, job_id: str) -> list[bytes]:
    loop = asyncio.get_running_loop()
    with caller.system.paused():
        asking = [
            loop.create_task(_ask(caller, f"{kind}{number}", stream=kind == "stream"))
            for kind, count in (("stream", STREAMS), ("sync", SYNCS))
            for number in range(count)
        ]
        all_in = STREAMS + SYNCS + 1
        await asyncio.to_thread(
            until, lambda: caller.jobs_count() == all_in, what="all to wait", limit_s=60
        )
        await asyncio.to_thread(_poll_quickly, caller, job_id, 5)
    while not all(task.done() for task in asking):  # and while tokens flow to all of them
        await asyncio.to_thread(_poll_quickly, caller, job_id, 1)
        await asyncio.wait(asking, timeout=0.2)
    return [task.result() for task in asking]


def _poll_quickly(caller: Caller, job_id: str, times: int) -> None:
    for _ in range(times):
        began = time.monotonic()
        assert caller.job(job_id)["status"] == "completed"
        assert time.monotonic() - began < PATIENCE_S


async def _ask(caller: Caller, text: str, *, stream: bool) -> bytes:
    """Send one chat over a connection of its own and return the whole answer."""
    content = text + " word" * 10
    body = json.dumps(
        {
            "model": "echo-slow",
            "stream": stream,
            "messages": [{"role": "user", "content": content}],
        }
    )
    parts = urlsplit(caller.system.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {caller.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    try:
        writer.write((head + body).encode())
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def test_50_long_polls_end_together_with_their_job(
    caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    job_id = caller.submit("a b c d e f g h", model="echo-slow")
    jobs = together(50, lambda _: caller.job(job_id, wait_s=30))
    assert {job["status"] for job in jobs} == {"completed"}
