"""The command ``genie`` against a scripted server: what it prints where, and its exit status."""

import importlib
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from genie.client import config
from genie.client.cli import main
from genie.client.cli.output import printable
from tests import documents
from tests.unit.client.bodies import (
    DONE,
    JOB,
    answer,
    chunk,
    completion,
    event,
    job,
    refusal,
    streamed,
)
from tests.unit.client.both import KEY, QUICK
from tests.unit.client.test_webhooks import BODY, CURRENT, signed
from tests.unit.inference.upstream_server import UpstreamServer, ping_until_close, reply

ROOT = Path(__file__).resolve().parents[3]


class Terminal(io.StringIO):
    """A stdin at which somebody sits."""

    def isatty(self) -> bool:
        return True


class Command:
    """Runs a command line; ``out``, ``err`` and ``last`` are what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.out = self.err = ""

    def __call__(self, *argv: str, stdin: io.StringIO | None = None) -> int:
        self._monkeypatch.setattr(sys, "stdin", stdin or Terminal())
        try:
            status = main.main(argv)
        except SystemExit as refused:
            status = int(str(refused.code))
        self.out, self.err = self._capsys.readouterr()
        assert KEY not in self.out + self.err
        return status

    @property
    def last(self) -> dict[str, Any]:
        """Return the JSON object of the last line."""
        return dict(json.loads(self.out.splitlines()[-1]))


@pytest.fixture
def genie(
    server: UpstreamServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Return the command, set up for the server."""
    monkeypatch.setenv("GENIE_API_KEY", KEY)
    monkeypatch.setenv("GENIE_BASE_URL", server.url)
    monkeypatch.setattr(config, "Retrying", lambda: QUICK)
    return Command(capsys, monkeypatch)


class TestChat:
    def test_prints_the_answer(self, genie: Command, server: UpstreamServer) -> None:
        server.next(streamed(answer("It is ", "12.")))

        status = genie("chat", "-m", "echo", "-s", "Be brief.", "--field", "seed=7", "7 plus 5?")

        assert (status, genie.out, genie.err) == (0, "It is 12.\n", "")
        fields = server.asked[0].fields
        assert (fields["model"], fields["seed"]) == ("echo", 7)
        assert [one["role"] for one in fields["messages"]] == ["system", "user"]

    def test_asks_what_is_piped_in_and_prints_one_json_object(
        self, genie: Command, server: UpstreamServer
    ) -> None:
        server.next(streamed(answer("12")))

        assert genie("chat", "--json", stdin=io.StringIO("7 plus 5?\n")) == 0

        assert server.asked[0].fields["messages"][0]["content"] == "7 plus 5?\n"
        assert (genie.last["text"], genie.last["id"]) == ("12", JOB)
        assert genie.last["usage"]["total_tokens"] == 5

    def test_is_a_conversation_at_a_terminal(
        self, genie: Command, server: UpstreamServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = iter(["hello", "", "again"])

        def asked(_: str) -> str:
            try:
                return next(said)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", asked)
        server.next(streamed(answer("hi")), streamed(answer("yes")))

        assert genie("chat") == 0

        assert genie.out == "hi\nyes\n\n"
        messages = server.asked[1].fields["messages"]
        assert [one["content"] for one in messages] == ["hello", "hi", "again"]

    def test_cancels_on_ctrl_c(self, server: UpstreamServer) -> None:
        server.next(
            streamed(answer("one", "two")[:2], then=ping_until_close), reply(202, job("cancelled"))
        )
        command = subprocess.Popen(
            [sys.executable, "-m", "genie.client", "chat", "--base-url", server.url, "count"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "GENIE_API_KEY": KEY},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert command.stdout is not None

        said = command.stdout.read(3)
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate(timeout=60)

        assert (said, command.returncode, complaint) == (b"one", 130, b"\n")
        assert server.asked[-1].path == f"/v1/jobs/{JOB}/cancel"

    def test_says_in_a_sentence_with_the_request_what_went_wrong(
        self, genie: Command, server: UpstreamServer
    ) -> None:
        server.next(refusal(401, "unauthorized"))

        assert genie("chat", "hi") == 1
        assert genie.err == "genie: No, because. (HTTP 401, unauthorized, request req-7)\n"

    def test_a_job_that_failed_has_an_exit_status_of_its_own(
        self, genie: Command, server: UpstreamServer
    ) -> None:
        error = {"code": 500, "type": "out-of-memory", "message": "Too large."}
        server.next(streamed([chunk(1, {}, "error", error=error), DONE]))

        assert genie("chat", "hi") == 3
        assert genie.err == f"genie: Too large. (job {JOB}, out-of-memory, request req-1)\n"


class TestUsage:
    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (["nonsense"], "see 'genie --help'"),
            (["submit"], "see 'genie submit --help'"),
            (["chat", "--field", "x", "hi"], "'x' is not NAME=VALUE"),
            (["submit", "--wait", "--timeout", "-1", "hi"], "number of seconds"),
            (["submit", "-k", "transcription", "no-file.wav"], "no file"),
            (["submit", "-k", "transition", "x"], "give its body as a .json file"),
            (["embed", "-m", "e"], "There is no text"),
            (["jobs", "show", "../x"], "no id of a job"),
            (["webhooks", "verify", "body"], "cannot be read"),
        ],
    )
    def test_wrong_usage_is_one_sentence_and_2(
        self, genie: Command, server: UpstreamServer, argv: list[str], words: str
    ) -> None:
        assert genie(*argv) == 2
        assert words in genie.err
        assert genie.err.count("\n") == 1
        assert server.asked == []

    def test_a_missing_key_is_named(self, genie: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GENIE_API_KEY")

        assert genie("models") == 2
        assert "GENIE_API_KEY" in genie.err

    def test_the_address_may_be_an_argument(self, genie: Command, server: UpstreamServer) -> None:
        server.close()

        assert genie("models", "--base-url", "ftp://h") == 2
        assert genie("jobs", "cancel", JOB) == 1
        assert "could not be reached" in genie.err


class TestSubmit:
    def test_prints_the_id_and_leaves_the_job(
        self, genie: Command, server: UpstreamServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GENIE_WEBHOOK_SECRET", "shared")
        server.next(reply(202, {"id": JOB, "status": "queued", "queue_position": 2}))

        status = genie("submit", "-m", "echo", "--webhook", "http://h/x", "a question")

        assert (status, genie.out) == (0, f"{JOB}\n")
        assert genie.err == (
            f"Queued, number 2 in its queue. Follow it with: genie jobs tail {JOB}\n"
        )
        assert server.asked[0].fields == {
            "model": "echo",
            "messages": [{"role": "user", "content": "a question"}],
            "mode": "async",
            "webhook": {"url": "http://h/x", "secret": "shared"},
        }

    def test_waits_for_the_result(
        self, genie: Command, server: UpstreamServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "question.txt"
        path.write_text("from a file")
        server.next(
            reply(202, {"id": JOB, "status": "queued"}),
            reply(body=job("completed", result=completion("done"))),
        )

        assert genie("submit", "--wait", "--json", str(path)) == 0

        assert server.asked[0].fields["messages"][0]["content"] == "from a file"
        assert genie.last["result"]["choices"][0]["message"]["content"] == "done"

    def test_a_json_file_is_the_body(
        self, genie: Command, server: UpstreamServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "body.json"
        path.write_text('{"prompt": "a lake", "n": 2}')
        server.next(
            reply(202, {"id": JOB, "status": "queued"}),
            reply(body=job("completed", result={"data": [{"url": "u1"}, {"url": "u2"}]})),
        )

        status = genie("submit", "-k", "image", "--field", "size=256x256", "--wait", str(path))

        assert (status, genie.out) == (0, "u1\nu2\n")
        assert server.asked[0].path == "/v1/images/generations"
        assert server.asked[0].fields["size"] == "256x256"

    def test_a_job_that_fails_is_3_and_still_shown_as_json(
        self, genie: Command, server: UpstreamServer
    ) -> None:
        failed = job("failed", error={"code": "worker-lost", "message": "It was lost."})
        server.next(reply(202, {"id": JOB, "status": "queued"}), *[reply(body=failed)] * 2)

        assert genie("submit", "--wait", "--json", "hi") == 3
        assert genie.last["error"]["code"] == "worker-lost"
        assert genie.err.startswith("genie: It was lost.")

    def test_ctrl_c_leaves_the_job_and_says_so(
        self, genie: Command, server: UpstreamServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("genie.client.client.Job.wait", interrupted)
        server.next(reply(202, {"id": JOB, "status": "queued"}))

        assert genie("submit", "--wait", "hi") == 130
        assert f"{JOB} goes on" in genie.err
        assert len(server.asked) == 1


class TestJobs:
    def test_lists_them_as_lines(self, genie: Command, server: UpstreamServer) -> None:
        page = {"data": [job("completed", cost=0.5)], "has_more": True, "next_cursor": "abc"}
        server.next(*[reply(body=page)] * 2)

        assert genie("jobs", "list", "--status", "completed") == 0
        assert genie.out.splitlines()[1].split() == [
            *(JOB, "completed", "echo", "2026-11-21", "00:04:10Z", "0.5"),
        ]
        assert "--cursor abc" in genie.err
        assert genie("jobs", "list", "--json") == 0
        assert genie.last["data"][0]["id"] == JOB

    def test_shows_one(self, genie: Command, server: UpstreamServer) -> None:
        server.next(reply(body=job("completed", result=completion())))

        assert genie("jobs", "show", JOB) == 0
        assert "status: completed\n" in genie.out
        assert "created: 2026-11-21 00:04:10Z\n" in genie.out

    def test_tail_prints_the_text_of_a_chat(self, genie: Command, server: UpstreamServer) -> None:
        server.next(
            reply(body=job("queued", queue_position=2)),
            streamed(answer("one ", "two")),
            reply(body=job("completed", result=completion(), usage={"total_tokens": 5}, cost=0.25)),
        )

        assert genie("jobs", "tail", JOB) == 0
        assert genie.out == "one two\n"
        assert genie.err == (
            "queued, number 2 in its queue\ncompleted: 5 total tokens, 0.25 credits\n"
        )

    def test_tail_tells_the_progress_of_others_and_how_they_end(
        self, genie: Command, server: UpstreamServer
    ) -> None:
        ended = job("timeout", error={"code": "execution-timeout", "message": "Too slow."})
        told = [
            event(1, job("running"), name="job.running"),
            event(2, {"id": JOB, "progress": 40}, name="job.progress"),
            event(3, ended, name="job.timeout"),
        ]
        server.next(reply(body=job("running")), streamed([*told, DONE]), reply(body=ended))

        assert genie("jobs", "tail", JOB) == 3
        assert genie.err.splitlines() == [
            "running",
            "40 %",
            "timeout",
            f"genie: Too slow. (job {JOB}, execution-timeout)",
        ]

    def test_cancels_one(self, genie: Command, server: UpstreamServer) -> None:
        server.next(reply(202, job("cancelled")), refusal(409, "job-terminal"))

        assert genie("jobs", "cancel", JOB) == 0
        assert genie.out == f"{JOB} is cancelled.\n"
        assert genie("jobs", "cancel", JOB) == 1


class TestMaking:
    def test_models_are_a_table(self, genie: Command, server: UpstreamServer) -> None:
        server.next(reply(body={"data": [{"id": "echo", "modality": "chat", "aliases": ["lite"]}]}))

        assert genie("models") == 0
        assert genie.out.splitlines()[1].split() == ["echo", "chat", "lite", "no"]

    def test_embed_prints_a_vector_a_line(self, genie: Command, server: UpstreamServer) -> None:
        data = [{"index": 0, "embedding": [0.5]}, {"index": 1, "embedding": [1.0]}]
        server.next(reply(body={"model": "e", "data": data}))

        assert genie("embed", "-m", "e", stdin=io.StringIO("a\n\nb\n")) == 0
        assert genie.out == "[0.5]\n[1.0]\n"
        assert server.asked[0].fields["input"] == ["a", "b"]

    def test_rerank_prints_the_texts_the_best_first(
        self, genie: Command, server: UpstreamServer
    ) -> None:
        ranked = [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.5}]
        server.next(reply(body={"id": "rerank-c1", "model": "r", "results": ranked}))

        assert genie("rerank", "-m", "r", "-n", "2", "q", stdin=io.StringIO("a\n\nb\n")) == 0
        assert genie.out == "0.7500  b\n0.5000  a\n"
        assert server.asked[0].fields == {
            "model": "r",
            "query": "q",
            "documents": ["a", "b"],
            "top_n": 2,
        }

    def test_image_writes_files(
        self, genie: Command, server: UpstreamServer, tmp_path: Path
    ) -> None:
        url = server.url.removesuffix("/v1") + "/files/t/a.png"
        server.next(
            reply(body={"created": 1, "data": [{"url": url}, {"b64_json": "UE5H"}]}),
            reply(body=b"PNG"),
        )

        assert genie("image", "a lake", "-n", "2", "-o", str(tmp_path / "out.png"), "--json") == 0

        names = [tmp_path / "out-1.png", tmp_path / "out-2.png"]
        assert [one.read_bytes() for one in names] == [b"PNG", b"PNG"]
        assert genie.last["files"] == [str(one) for one in names]

    def test_a_file_that_cannot_be_written_is_refused_before_it_is_paid_for(
        self, genie: Command, server: UpstreamServer, tmp_path: Path
    ) -> None:
        assert genie("image", "a lake", "-o", str(tmp_path / "none" / "out.png")) == 2
        assert genie("image", "a lake", "-o", str(tmp_path)) == 2
        assert server.asked == []

    def test_speech_takes_its_format_from_the_name(
        self, genie: Command, server: UpstreamServer, tmp_path: Path
    ) -> None:
        server.next(reply(body=b"RIFF"))
        path = tmp_path / "hi.wav"

        assert genie("speech", "-m", "tts-1", "hi", "-o", str(path)) == 0
        assert path.read_bytes() == b"RIFF"
        assert server.asked[0].fields["response_format"] == "wav"

    def test_transcribe_prints_what_was_said(
        self, genie: Command, server: UpstreamServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "hi.wav"
        path.write_bytes(b"RIFF")
        server.next(reply(body={"text": "hi\n"}))

        assert genie("transcribe", "-m", "whisper-1", str(path)) == 0
        assert genie.out == "hi\n"
        assert b'filename="hi.wav"' in server.asked[0].body


class TestWebhooks:
    def test_verify_tells_whether_a_delivery_is_genuine(
        self, genie: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GENIE_WEBHOOK_SECRET", f"old {CURRENT}")
        body, headers = tmp_path / "body", tmp_path / "headers"
        body.write_bytes(BODY)
        made = signed(CURRENT)
        headers.write_text("".join(f"{name}: {value}\n" for name, value in made.items()))
        line = ["webhooks", "verify", str(body), "--headers", str(headers)]

        assert genie(*line, "--tolerance", "1e12") == 0
        assert genie.out.startswith("Genuine: job.completed chatcmpl-")
        assert genie(*line) == 1  # signed long ago
        assert genie(*line, "--native", "--json") == 0
        assert genie.last["type"] == "job.completed"
        body.write_bytes(BODY + b" ")
        assert genie(*line, "--native") == 1
        assert "does not fit" in genie.err


def test_the_command_is_installed_under_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, function = project["scripts"]["genie"].partition(":")

    assert getattr(importlib.import_module(module), function) is main.run


DOCUMENTED = [
    (block.place, line)
    for block in documents.every_block("sh", "console")
    for line in re.findall(
        r"(?:^|[ /])genie ((?:chat|submit|jobs|models|embed|image|speech) .*)", block.text
    )
]


@pytest.mark.parametrize(("place", "line"), DOCUMENTED, ids=[place for place, _ in DOCUMENTED])
def test_what_the_documentation_has_people_type_is_taken(place: str, line: str) -> None:
    assert main.parser().parse_args(shlex.split(line, comments=True)).run, place


def test_what_a_model_writes_cannot_command_a_terminal() -> None:
    assert printable("a\x1b[2J\x9b\u202eb\tc\n") == "a[2Jb\tc\n"


def test_the_client_loads_what_its_page_says_and_nothing_of_the_server() -> None:
    libraries = {"httpx2", "pydantic", "rich", "cryptography"}
    beneath = {"annotated_types", "idna", "pydantic_core", "typing_extensions", "typing_inspection"}
    program = (
        "import sys; before = set(sys.modules)\n"
        "import genie.client, genie.client.webhooks, genie.client.cli.main\n"
        "loaded = {name for name in set(sys.modules) - before if name[0] != '_'}\n"
        "ours = {name for name in loaded if name.startswith('genie.')}\n"
        "assert all(name.startswith('genie.client') for name in ours), ours\n"
        "tops = {name.partition('.')[0] for name in loaded} - sys.stdlib_module_names\n"
        f"print(sorted(tops - {{'genie'}} - {libraries | beneath!r}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
