"""A load is bounded and counts what it was answered; a demonstration tells of each job how it went."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError, call_command

from genie.core import errors
from genie.exercises import calls, demo, load
from genie.exercises.figures import Figures, Times
from genie.exercises.load import Plan

MODELS = [
    {"id": "a-chat", "modality": "chat", "capabilities": ["stream"], "loaded": False},
    {"id": "b-chat", "modality": "chat", "capabilities": ["stream"], "loaded": True},
    {"id": "vectors", "modality": "embedding", "capabilities": [], "loaded": True},
    {"id": "ranks", "modality": "rerank", "capabilities": [], "loaded": True},
    {"id": "pictures", "modality": "image", "capabilities": [], "loaded": False},
    {"id": "tones", "modality": "audio", "capabilities": ["transcription"], "loaded": False},
]


class Handler(BaseHTTPRequestHandler):
    """A system that answers every request as it should, or as the test says."""

    protocol_version = "HTTP/1.1"
    status: ClassVar[int] = 200
    failure: ClassVar[str] = ""  # of streams
    seen: ClassVar[list[tuple[str, str]]] = []
    limit: ClassVar[threading.Event | None] = None

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.answer(200, {"data": MODELS})
        else:
            self.answer(200, {"status": "completed", "result": {"data": [{"url": "/files/x"}]}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((self.path, self.headers["Authorization"]))
        wanted = json.loads(body) if body.startswith(b"{") else {}
        if self.status != 200:
            self.answer(self.status, {"error": "Not now.", "code": "queue-full"})
        elif wanted.get("mode") == "stream":
            self.stream()
        elif wanted.get("mode") == "async":
            self.answer(202, {"id": "x-1", "status": "queued", "poll_url": "/v1/jobs/1"})
        elif self.path.endswith("transcriptions"):
            self.answer(200, {"text": "1"})
        elif self.path.endswith("embeddings"):
            self.answer(200, {"data": [{"embedding": [0.1, 0.2]}]})
        elif self.path.endswith("rerank"):
            self.answer(200, {"results": [{"index": 1, "relevance_score": 0.9}]})
        else:
            self.answer(200, {"choices": [{"message": {"content": "Paris"}}]})

    def stream(self) -> None:
        chunk = {"choices": [{"delta": {"content": "Paris"}}]}
        frames = [json.dumps(chunk), *([self.failure] if self.failure else []), "[DONE]"]
        text = "".join(f"data: {frame}\n\n" for frame in frames).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Retry-After", "0.01")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def handler() -> type[Handler]:
    class Own(Handler):
        seen: ClassVar[list[tuple[str, str]]] = []

    return Own


@pytest.fixture
def url(handler: type[Handler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(name: str, *words: str) -> Any:
    out = io.StringIO()
    call_command(name, *words, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


class TestTarget:
    @pytest.mark.parametrize(
        "url", ["", "localhost:8000", "ftp://h/", "http://", "http://u:p@h/", "http://h:x/"]
    )
    def test_refuses_what_is_no_base_address(self, url: str) -> None:
        with pytest.raises(errors.InvalidRequest, match="no base address"):
            calls.target(url, key="k")

    def test_keeps_a_prefix_and_shows_no_key(self) -> None:
        to = calls.target("https://genie.example/api/", key="sk-secret")

        assert (to.port, to.shown) == (443, "https://genie.example:443/api")

    @pytest.mark.parametrize("key", ["", "sk\r\nX: y"])
    def test_needs_a_key(self, key: str) -> None:
        with pytest.raises(errors.InvalidRequest, match="no API key"):
            calls.target("http://h", key=key)


class TestFigures:
    def test_percentiles_are_told_to_two_percent(self) -> None:
        times = Times()
        for milliseconds in range(1, 1001):
            times.add(milliseconds / 1000)

        assert times.percentile_s(50) == pytest.approx(0.5, rel=0.02)
        assert times.percentile_s(99) == pytest.approx(0.99, rel=0.02)

    def test_without_any_there_is_none(self) -> None:
        found = Figures().snapshot(seconds=0)

        assert (found.p50_s, found.per_second) == (None, 0)


class TestLoadtest:
    def plan(self, url: str, **changes: Any) -> Plan:
        fields: dict[str, Any] = {
            "target": calls.target(url, key="k"), "clients": 2, "seconds": 0.1, "mode": "sync",
            "model": "lite", "prompt": "x", "max_tokens": 1,
        }  # fmt: skip
        return Plan(**(fields | changes))

    @pytest.mark.parametrize("mode", ["sync", "stream", "async"])
    def test_counts_answers(self, url: str, handler: type[Handler], mode: str) -> None:
        told: list[Any] = []

        found = load.run(self.plan(url, mode=mode), tell=told.append)

        assert found.answered == found.succeeded == len(handler.seen) >= 1
        assert (found.failures, found.p99_s is not None) == ({}, True)
        assert (found.first_p50_s is not None) is (mode == "stream")
        assert told
        assert {key for _, key in handler.seen} == {"Bearer k"}

    def test_counts_refusals_and_waits_as_it_is_told(
        self, url: str, handler: type[Handler]
    ) -> None:
        handler.status = 429

        found = load.run(self.plan(url), tell=lambda _: None)

        assert (found.succeeded, set(found.statuses)) == (0, {429})

    def test_counts_a_stream_that_fails_by_its_code(self, url: str, handler: type[Handler]) -> None:
        handler.failure = json.dumps({"error": {"type": "worker-lost", "message": "x"}})

        found = load.run(self.plan(url, mode="stream"), tell=lambda _: None)

        assert set(found.failures) == {"worker-lost"}

    def test_counts_requests_that_nobody_answers_without_hammering(self) -> None:
        found = load.run(self.plan("http://127.0.0.1:1"), tell=lambda _: None)

        assert found.answered == 0
        assert 1 <= found.failures["ConnectionRefusedError"] <= 2

    def test_runs_only_against_an_address_that_is_given(self) -> None:
        with pytest.raises(CommandError, match="--url"):
            call_command("loadtest")

    def test_a_dry_run_sends_nothing(self, url: str, handler: type[Handler]) -> None:
        told = run("loadtest", "--url", url, "--key", "k", "--clients", "3", "--dry-run")

        assert (told["dryRun"], told["clients"], handler.seen) == (True, 3, [])

    def test_tells_its_figures(self, url: str) -> None:
        told = run("loadtest", "--url", url, "--key", "k", "--seconds", "0.1", "--clients", "1")

        assert told["statuses"] == {"200": told["answered"]}
        assert told["p50Ms"] > 0

    def test_without_a_success_it_fails(self) -> None:
        with pytest.raises(
            CommandError, match=r"No request succeeded; is http://127\.0\.0\.1:1 up"
        ):
            run("loadtest", "--url", "http://127.0.0.1:1", "--key", "k", "--seconds", "0.1")

    @pytest.mark.parametrize(
        ("option", "value"),
        [("--clients", "0"), ("--clients", "257"), ("--seconds", "0"), ("--seconds", "3601")],
    )
    def test_is_bounded(self, option: str, value: str) -> None:
        with pytest.raises(CommandError, match=f"{option} {value}"):
            run("loadtest", "--url", "http://h", "--key", "k", option, value)


class TestDemo:
    def test_has_a_job_of_each_kind_that_a_model_is_there_for(self, url: str) -> None:
        told = run("demo", "--url", url, "--key", "k")

        assert [(one["job"], one["mode"], one["ok"]) for one in told["jobs"]] == [
            ("chat", "sync", True),
            ("chat", "stream", True),
            ("chat", "async", True),
            ("embedding", "sync", True),
            ("embedding", "async", True),
            ("rerank", "sync", True),
            ("image", "async", True),
            ("transcription", "sync", True),
        ]
        assert {one["model"] for one in told["jobs"] if one["job"] == "chat"} == {"b-chat"}
        assert [one["says"] for one in told["jobs"]][:2] == ["Paris", "Paris"]

    def test_a_dry_run_submits_nothing(self, url: str, handler: type[Handler]) -> None:
        told = run("demo", "--url", url, "--key", "k", "--only", "image", "--dry-run")

        assert ([one["job"] for one in told["jobs"]], handler.seen) == (["image"], [])

    def test_says_what_did_not_complete(self, url: str, handler: type[Handler]) -> None:
        handler.status = 429
        out = io.StringIO()

        with pytest.raises(CommandError, match="1 of 1 jobs did not complete"):
            call_command("demo", "--url", url, "--key", "k", "--only", "image", stdout=out)

        assert "Not now. (HTTP 429)" in out.getvalue()

    def test_a_system_that_is_away_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match=r"http://127\.0\.0\.1:1 does not answer"):
            run("demo", "--url", "http://127.0.0.1:1", "--key", "k")

    def test_its_recording_is_a_second_of_sound(self) -> None:
        assert len(demo._recording()) == 44 + 2 * 16_000
