"""A process that is stopped sends the tickets that it still holds back before it ends."""

import asyncio
import threading
import uuid
from collections.abc import Mapping, Sequence

import pytest

from genie.core import ids
from jobs import queue, web, worker
from jobs.queue import TicketSender

JOB = ids.new_id()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Return the tickets that the broker has taken; a worker hears of every job at once."""
    tickets: list[tuple[str, list[str]]] = []

    def take(name: str, job_ids: Sequence[str]) -> bool:
        tickets.append((name, list(job_ids)))
        return True

    def hear(jobs: Mapping[str, int]) -> set[str]:
        return set(jobs)

    monkeypatch.setattr(queue, "send_now", take)
    monkeypatch.setattr("jobs.queue.control.nudge", hear)
    monkeypatch.setattr(queue, "HEARD_S", 3600)
    monkeypatch.setattr(queue, "sender", TicketSender())
    return tickets


def test_a_web_process(sent: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_ALL", ())  # those of this process are used by other tests
    queue.sender.send({"chat": [JOB]})

    asyncio.run(web.close())

    assert sent == [("chat", [str(JOB)])]


def test_a_worker_whose_loops_send_until_they_end(
    sent: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()

    def sweep(job_id: uuid.UUID) -> None:
        stopping.wait(10)
        queue.sender.send({"chat": [job_id]})

    process = worker._Process()
    process.housekeeping = (threading.Thread(target=sweep, args=(JOB,)),)
    process.housekeeping[0].start()
    monkeypatch.setattr(worker, "_process", process)
    monkeypatch.setattr(worker, "_stop_housekeeping", stopping)

    worker.stop()

    assert sent == [("chat", [str(JOB)])]
