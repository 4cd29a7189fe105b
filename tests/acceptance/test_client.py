"""Journey: the client of the package, blocking and asynchronous, its command, and its page's examples."""

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from genie.client import (
    AsyncClient,
    Client,
    Conflict,
    JobFailed,
    NotFound,
    Retrying,
    StillRunning,
    Unauthorized,
    webhooks,
)
from tests import documents
from tests.acceptance.callers import Caller
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import BASE_DIR
from tests.chaos import proxy

PAGE = documents.DOCS / "how-to" / "python-client.md"
PATIENT = Retrying(attempts=20, first_s=0.01)
WORDS = "one two three four five"
LONG = " ".join(["x"] * 200)


@pytest.fixture
def environment(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set what the client reads from the environment, and return it."""
    ours = {
        "GENIE_API_KEY": caller.key,
        "GENIE_BASE_URL": caller.system.base_url,
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    return ours


@dataclass(frozen=True)
class Ran:
    """A command line that has ended."""

    status: int
    out: str
    err: str


def _genie(*lines: Sequence[str], stdin: str) -> list[Ran]:
    """Run command lines side by side, each in a process of its own and with the same stdin."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "genie.client", *argv],
            cwd=BASE_DIR,
            env={**os.environ, "PYTHONPATH": str(BASE_DIR)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for argv in lines
    ]
    said = [one.communicate(stdin, timeout=60) for one in running]
    return [Ran(one.returncode, *both) for one, both in zip(running, said, strict=True)]


def test_the_blocking_client(
    caller: Caller, environment: dict[str, str], receiver: Receiver
) -> None:
    path = f"/{caller.slug}/"
    with Client() as client:
        assert client.chat(WORDS, model="echo").text == f"echo: {WORDS}"
        assert "echo" in [one.id for one in client.models()]
        assert len(client.embed(["a", "b"], model="echo-embedding").vectors[0]) == 64
        picture = client.images("a lake", model="echo-image", size="256x256").data[0]
        assert client.download(picture.url or "").startswith(b"\x89PNG")

        hook = {"url": receiver.url(path), "secret": "s3cret"}
        job = client.submit("chat", model="echo", messages=WORDS, webhook=hook)
        assert job.wait(timeout_s=30).chat.text == f"echo: {WORDS}"
        (delivery,) = receiver.wait(path)
        event = webhooks.verify(delivery.body, delivery.headers, "s3cret")
        assert event.job is not None
        assert (event.type, event.job.id) == ("job.completed", job.id)
        assert webhooks.verify(
            delivery.body, delivery.headers, public_keys=client.webhook_keys()
        ).job


def test_what_the_blocking_client_raises(caller: Caller, environment: dict[str, str]) -> None:
    with Client() as client:
        running = client.submit("chat", model="echo-slow", messages=LONG)
        assert running.cancel().id == running.id
        with pytest.raises(JobFailed) as cancelled:
            running.wait(timeout_s=30)
        assert cancelled.value.status == "cancelled"
        with pytest.raises(Conflict):
            running.cancel()
        with pytest.raises(NotFound) as unknown:
            client.jobs.get("chatcmpl-cnothing")
        assert unknown.value.request_id
        with pytest.raises(JobFailed) as broken:
            client.chat("x", model="echo-broken")
        assert broken.value.code == "model-load-failed"
        # Answered with the job after a second, which is polled, and then cancelled.
        with pytest.raises(StillRunning) as late:
            client.chat(LONG, model="echo-slow", timeout_s=1)
        assert late.value.cancelled
    assert caller.ended(late.value.job_id)["status"] == "cancelled"


def test_the_asynchronous_client_and_streams_that_are_cut_and_left(
    caller: Caller, environment: dict[str, str]
) -> None:
    async def journey() -> str:
        async with AsyncClient() as client:
            stream = client.chat_stream(WORDS, model="echo")
            texts = [delta.text async for delta in stream]
            assert "".join(texts) == stream.text == f"echo: {WORDS}"
            assert stream.usage is not None
            kinds = {event.type async for event in client.jobs.events(stream.job_id)}
            assert kinds == {"chunk"}

            link = line.open(urlsplit(caller.system.base_url).port or 0)
            address = f"http://127.0.0.1:{link.port}"
            async with AsyncClient(base_url=address, retrying=PATIENT) as far:
                cut = far.chat_stream(WORDS, model="echo-slow")
                async for _ in cut:
                    line.reset(link)  # no connection brings more than a few words
            assert cut.text == f"echo: {WORDS}"

            async with client.chat_stream(LONG, model="echo-slow") as left:
                await anext(left)
            jobs = [await client.submit("chat", model="echo", messages=text) for text in "ab"]
            ended = await asyncio.gather(*(job.wait(timeout_s=30) for job in jobs))
            assert [one.chat.text for one in ended] == ["echo: a", "echo: b"]
            return left.job_id

    with proxy.running() as line:
        left = asyncio.run(journey())
    assert caller.ended(left)["status"] == "cancelled"
    with pytest.raises(Unauthorized), Client(api_key=caller.key[:-1] + "!") as stranger:
        stranger.models()


def test_the_command(caller: Caller, environment: dict[str, str]) -> None:
    chat, submit, refused = _genie(
        ["chat", "-m", "echo"],
        ["submit", "-m", "echo", "--wait", "--json", "-"],
        ["chat", "-m", "no-such-model"],
        stdin=WORDS,
    )

    assert chat == Ran(0, f"echo: {WORDS}\n", "")
    assert (submit.status, submit.err) == (0, "")
    assert json.loads(submit.out.splitlines()[-1])["status"] == "completed"
    assert (refused.status, refused.out) == (1, "")
    assert "model-not-found, request req_" in refused.err
    assert caller.key not in refused.err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ask.py", "echo: What is 7 plus 5?"),
        ("stream.py", "echo: Tell me about the sea."),
        ("submit.py", "echo: Tell me about the sea."),
        ("asynchronous.py", "echo: three"),
        ("errors.py", "404 model-not-found"),
    ],
)
def test_the_examples_of_the_page(environment: dict[str, str], name: str, says: str) -> None:
    (text,) = (one.text for one in documents.blocks(PAGE) if one.note == f"example: {name}")
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        # The echo in place of a model, so that what is printed is known.
        exec(text.replace('"lite"', '"echo"'), {"__name__": "__main__"})  # noqa: S102

    assert says in printed.getvalue()
