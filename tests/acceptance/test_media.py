"""Journeys: pictures and speech, sync and async, their files, their prices, and who may have them."""

import base64
import io
import json
import struct
import threading
import wave
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import av
import pytest
import requests
from PIL import Image

from tests.acceptance import system
from tests.acceptance.callers import Caller
from tests.acceptance.receivers import Receiver

PICTURE = {"model": "echo-image", "prompt": "a lake", "size": "256x256"}
# 256 x 256 pixels through 4 steps at 4 credits a megapixel-step.
PICTURE_COST = 1.048576


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def length_ms(video: bytes) -> float:
    with av.open(io.BytesIO(video), "r") as opened:
        assert opened.duration is not None
        return opened.duration / 1000


def data_url(color: str, *, share: float = 1.0) -> str:
    """Return a picture as a caller sends it, or its first part."""
    written = io.BytesIO()
    Image.new("RGB", (80, 60), color).save(written, "png")
    content = written.getvalue()[: int(share * len(written.getvalue()))]
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def fetched(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=30)


class TestImages:
    def test_sync_answers_with_addresses_that_anybody_can_read(self, caller: Caller) -> None:
        answer = caller.post("/v1/images/generations", {**PICTURE, "n": 2})

        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["model_substituted"] is None
        urls = [one["url"] for one in body["data"]]
        assert len(set(urls)) == 2
        for url in urls:
            file = fetched(url)
            assert file.status_code == 200
            assert file.headers["Content-Type"] == "image/png"
            assert "immutable" in file.headers["Cache-Control"]
            assert size_of(file.content) == (256, 256)

    def test_the_same_seed_is_the_same_picture_and_base64_carries_it(self, caller: Caller) -> None:
        fields = {**PICTURE, "seed": 7}
        url = caller.post("/v1/images/generations", fields).json()["data"][0]["url"]
        inline = caller.post("/v1/images/generations", {**fields, "response_format": "b64_json"})

        assert base64.b64decode(inline.json()["data"][0]["b64_json"]) == fetched(url).content

    def test_async_shows_progress_and_ends_with_the_sync_body(
        self, caller: Caller, receiver: Receiver
    ) -> None:
        fields = {
            **PICTURE,
            "model": "echo-image-slow",
            "mode": "async",
            "webhook": {"url": receiver.url("/pictures/")},
        }
        accepted = caller.post("/v1/images/generations", fields)

        assert accepted.status_code == 202, accepted.text
        assert accepted.json()["object"] == "image.generation.async"
        assert accepted.json()["id"].startswith("imggen-c")
        events = caller.watched(accepted.json()["id"])
        told = [event.body["progress"] for event in events if event.name == "job.progress"]
        assert told == sorted(told)
        assert len(told) > 5
        assert events[-2].name == "job.completed"
        job = caller.ended(accepted.json()["id"])
        assert set(job["result"]) == {"created", "data", "model_substituted"}
        assert job["usage"] == {"megapixel_steps": 6.5536}
        assert job["cost"] == pytest.approx(26.2144)
        (delivery,) = receiver.wait("/pictures/")
        body = json.loads(delivery.body)
        assert body["data"] == body["result"]["data"] == job["result"]["data"]

    def test_progress_is_polled_while_it_runs_and_a_cancel_costs_what_was_done(
        self, caller: Caller
    ) -> None:
        fields = {**PICTURE, "model": "echo-image-slow", "mode": "async"}
        job_id = caller.post("/v1/images/generations", fields).json()["id"]
        running = system.until(
            lambda: (job := caller.job(job_id)).get("progress") and job, what="progress"
        )

        assert 0 < running["progress"] < 100
        assert caller.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
        job = caller.ended(job_id)
        assert job["status"] == "cancelled"
        assert 0 < job["cost"] < 26.2144

    def test_the_price_is_held_charged_and_quoted_alike(self, caller: Caller) -> None:
        quote = caller.post("/v1/jobs/quote", {**PICTURE, "route": "/v1/images/generations"}).json()
        job_id = caller.post("/v1/images/generations", {**PICTURE, "mode": "async"}).json()["id"]

        assert quote["low"] == quote["maximum"] == PICTURE_COST
        assert quote["quantities"] == {"megapixel_steps": 0.262144}
        assert caller.ended(job_id)["cost"] == PICTURE_COST

    def test_a_free_tier_is_served_the_small_model_and_told_so(
        self, new_caller: Callable[..., Caller]
    ) -> None:
        caller = new_caller()
        caller.system.sql(
            "UPDATE tenants_organization SET is_free_tier = true WHERE slug = %s", caller.slug
        )
        job_id = caller.post("/v1/images/generations", {**PICTURE, "mode": "async"}).json()["id"]
        job = caller.ended(job_id)

        assert job["model"] == "echo-image-small"
        assert job["result"]["model_substituted"] == "echo-image-small"
        assert job["cost"] == pytest.approx(0.065536)
        asked = caller.post("/v1/images/generations", {**PICTURE, "model": "sdxl-turbo"})
        assert asked.json()["model_substituted"] is None

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"size": "300x300"}, "size"),
            ({"n": 11}, "n"),
            ({"prompt": ""}, "prompt"),
            ({"prompt": "x" * 4001}, "prompt"),
            ({"negativePrompt": "x"}, "negativePrompt"),
            ({"quality": "hd"}, "quality"),
            ({"mode": "stream"}, "mode"),
            ({"webhook": {"url": "https://example.com"}}, "webhook"),
            ({"model": "echo"}, "model"),
            ({"n": 10, "size": "1024x1024", "response_format": "b64_json"}, "response_format"),
        ],
    )
    def test_what_breaks_the_contract_is_refused(
        self, caller: Caller, fields: dict[str, Any], field: str
    ) -> None:
        answer = caller.post("/v1/images/generations", {**PICTURE, **fields})

        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] == "invalid-request"
        assert answer.json()["details"][0]["field"].startswith(field)

    def test_moderation_refuses_before_anything_is_held(self, caller: Caller) -> None:
        answer = caller.post("/v1/images/generations", {**PICTURE, "prompt": "some CSAM"})

        assert answer.status_code == 400
        assert answer.json()["code"] == "content-policy-violation"
        assert caller.get("/v1/jobs").json()["data"] == []

    def test_a_model_that_is_not_installed_fails_by_its_name(self, caller: Caller) -> None:
        fields = {**PICTURE, "model": "echo-image-missing", "mode": "async"}
        job = caller.ended(caller.post("/v1/images/generations", fields).json()["id"])

        assert job["status"] == "failed"
        assert job["error"]["code"] == "comfyui-model-missing"
        assert job["error"]["model"] == "echo-image-missing"
        assert job["error"]["upstreamError"]
        assert job["cost"] == 0


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    """Serve one picture on the loopback, and answer 404 for every other."""
    content = base64.b64decode(data_url("red").partition(",")[2])

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = self.path == "/red.png"
            self.send_response(200 if is_there else 404)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(content) if is_there else 0))
            self.end_headers()
            if is_there:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


class TestVideos:
    VIDEO: ClassVar = {"prompt": "a lake", "size": "64x64", "duration_seconds": 1.5, "seed": 7}

    def test_one_of_words_is_an_mp4_of_the_asked_length(self, caller: Caller) -> None:
        accepted = caller.post("/v1/videos/generations", self.VIDEO)

        assert accepted.status_code == 202, accepted.text
        assert accepted.json()["id"].startswith("vidgen-c")
        events = caller.watched(accepted.json()["id"])
        told = [event.body["progress"] for event in events if event.name == "job.progress"]
        assert told == sorted(told)
        job = caller.ended(accepted.json()["id"])
        assert job["status"] == "completed", job
        assert job["result"]["duration_ms"] == job["result"]["durationMs"] == 1500
        assert job["cost"] == pytest.approx(64 * 64 * 1.5 / 1e6)
        file = fetched(job["result"]["url"])
        assert file.headers["Content-Type"] == "video/mp4"
        assert length_ms(file.content) == 1500

    def test_a_transition_is_a_webm_that_depends_on_both_pictures(self, caller: Caller) -> None:
        fields = {
            "start_image": data_url("red"), "size": "512x512", "duration_seconds": 1, "seed": 7,
        }  # fmt: skip
        ids = [
            caller.post("/v1/videos/transitions", fields | more).json()["id"]
            for more in ({}, {"end_image": data_url("blue")}, {"end_image": data_url("green")})
        ]
        files = [fetched(caller.ended(job_id)["result"]["url"]) for job_id in ids]

        assert {file.headers["Content-Type"] for file in files} == {"video/webm"}
        assert [length_ms(file.content) for file in files] == [1000, 1000, 1000]
        assert len({file.content for file in files}) == 3

    def test_a_picture_is_fetched_from_its_address(self, caller: Caller, pictures: str) -> None:
        fields = {"start_image": f"{pictures}/red.png", "duration_seconds": 1}
        found = caller.ended(caller.post("/v1/videos/transitions", fields).json()["id"])
        fields["start_image"] = f"{pictures}/nothing.png"
        missing = caller.ended(caller.post("/v1/videos/transitions", fields).json()["id"])

        assert found["status"] == "completed", found
        assert missing["status"] == "failed"
        assert missing["error"]["code"] == "input-fetch-failed"
        assert "start_image" in missing["error"]["message"]
        assert missing["cost"] == 0

    def test_an_address_that_may_not_be_called_is_refused_at_once(
        self, strict: Caller, pictures: str
    ) -> None:
        for url in (
            f"{pictures}/red.png",
            "http://169.254.169.254/x.png",
            "https://u:p@a.example/",
        ):
            fields = {"start_image": url, "duration_seconds": 1}
            answer = strict.post("/v1/videos/transitions", fields)

            assert answer.status_code == 400, answer.text
            assert answer.json()["details"][0]["field"] == "start_image"

    def test_a_picture_that_is_cut_off_costs_nothing(self, caller: Caller) -> None:
        fields = {"start_image": data_url("red", share=0.5), "duration_seconds": 1}

        job = caller.ended(caller.post("/v1/videos/transitions", fields).json()["id"])

        assert job["status"] == "failed"
        assert "start_image is damaged or cut off" in job["error"]["message"]
        assert job["cost"] == 0


class TestFiles:
    @pytest.fixture
    def url(self, caller: Caller) -> str:
        answer = caller.post("/v1/images/generations", {**PICTURE, "seed": 1})
        return str(answer.json()["data"][0]["url"])

    def test_come_in_ranges(self, url: str) -> None:
        whole = fetched(url).content
        for asked, part in (
            ("bytes=0-3", whole[:4]),
            ("bytes=4-", whole[4:]),
            ("bytes=-5", whole[-5:]),
            (f"bytes=0-{len(whole) * 2}", whole),
        ):
            answer = fetched(url, Range=asked)
            assert answer.content == part
            if part != whole:
                assert answer.status_code == 206
                assert answer.headers["Content-Range"].endswith(f"/{len(whole)}")
        beyond = fetched(url, Range=f"bytes={len(whole)}-")
        assert beyond.status_code == 416
        assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"
        assert beyond.json()["code"] == "range-not-satisfiable"
        assert f"bytes=0-{len(whole) - 1}" in beyond.json()["error"]
        assert fetched(url, Range="lines=1-2").content == whole

    def test_are_not_sent_again_to_who_has_them(self, url: str) -> None:
        etag = fetched(url).headers["ETag"]
        again = fetched(url, **{"If-None-Match": etag})

        assert (again.status_code, again.content) == (304, b"")

    def test_heads_tell_the_size_alone(self, url: str) -> None:
        whole = fetched(url)
        head = requests.head(url, timeout=30)

        assert head.headers["Content-Length"] == str(len(whole.content))
        assert head.content == b""

    @pytest.mark.parametrize("path", ["/files/x/image.png", "/files/" + "A" * 43 + "/image.png"])
    def test_that_are_not_there_are_not_found(self, caller: Caller, path: str) -> None:
        answer = caller.get(path)

        assert answer.status_code == 404
        assert answer.json()["code"] == "not-found"


def sound(seconds: float = 0.5, rate: int = 8000) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(rate)
        recording.writeframes(b"\0\1" * int(seconds * rate))
    return written.getvalue()


class TestTranscription:
    def transcribe(
        self, caller: Caller, content: bytes | None = None, **options: Any
    ) -> requests.Response:
        headers = options.pop("headers", {})
        return caller.request(
            "POST",
            "/v1/audio/transcriptions",
            files={"file": ("a.wav", sound() if content is None else content)},
            data={"model": "whisper-1", **options},
            headers=headers,
        )

    @pytest.mark.parametrize(
        ("written_as", "media_type", "text"),
        [
            (
                "json",
                "application/json",
                '{"text": "500 ms of sound", "usage": {"type": "duration", "seconds": 1}}',
            ),
            ("text", "text/plain; charset=utf-8", "500 ms of sound"),
            (
                "srt",
                "text/plain; charset=utf-8",
                "1\n00:00:00,000 --> 00:00:00,500\n500 ms of sound\n",
            ),
        ],
    )
    def test_answers_in_openais_formats(
        self, caller: Caller, written_as: str, media_type: str, text: str
    ) -> None:
        answer = self.transcribe(caller, response_format=written_as)

        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == media_type
        assert answer.text == text

    def test_async_costs_the_time_that_was_listened_to(self, caller: Caller) -> None:
        accepted = self.transcribe(caller, mode="async", response_format="verbose_json").json()
        job = caller.ended(accepted["id"])

        assert accepted["object"] == "audio.transcription.async"
        assert job["result"]["duration"] == 0.5
        assert job["usage"] == {"seconds": 0.5}
        assert job["cost"] == 0.0005

    def test_a_repeat_under_its_key_may_be_another_form_of_the_same(self, caller: Caller) -> None:
        first, second = (
            self.transcribe(caller, headers={"Idempotency-Key": "k"}, language="en")
            for _ in range(2)
        )
        third = self.transcribe(caller, headers={"Idempotency-Key": "k"}, language="de")

        assert first.json() == second.json()
        assert second.headers["Idempotent-Replayed"] == "true"
        assert third.status_code == 422

    @pytest.mark.parametrize(
        ("content", "options", "field"),
        [
            (b"no sound at all", {}, "file"),
            (None, {"response_format": "midi"}, "response_format"),
            (None, {"temperature": "hot"}, "temperature"),
            (None, {"model": "tts-1"}, "model"),
            (None, {"language": "English"}, "language"),
            (None, {"timestamp_granularities[]": "word"}, "timestamp_granularities"),
            (None, {"mode": "stream"}, "mode"),
            (None, {"stream": "true"}, "stream"),
        ],
    )
    def test_what_cannot_be_written_down_is_refused(
        self, caller: Caller, content: bytes | None, options: dict[str, Any], field: str
    ) -> None:
        answer = self.transcribe(caller, content, **options)

        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["field"] == field

    def test_a_recording_over_the_models_limit_is_refused(self, caller: Caller) -> None:
        answer = self.transcribe(caller, sound(61))

        assert answer.status_code == 400
        assert "60 s" in answer.json()["error"]

    def test_json_is_another_media_type(self, caller: Caller) -> None:
        answer = caller.post("/v1/audio/transcriptions", {"model": "whisper-1"})

        assert answer.status_code == 415
        assert answer.json()["code"] == "unsupported-media-type"


class TestSpeech:
    def test_sync_answers_with_the_sound_itself(self, caller: Caller) -> None:
        fields = {"model": "tts-1", "input": "hello", "response_format": "wav", "voice": "alloy"}
        answer = caller.post("/v1/audio/speech", fields)

        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "audio/wav"
        with wave.open(io.BytesIO(answer.content)) as recording:
            assert recording.getnframes() == 5 * 20 * 24

    def test_async_ends_with_an_address(self, caller: Caller) -> None:
        fields = {"model": "tts-1", "input": "hello", "response_format": "wav", "mode": "async"}
        accepted = caller.post("/v1/audio/speech", fields).json()
        job = caller.ended(accepted["id"])

        assert accepted["id"].startswith("aud-c")
        assert job["result"]["duration_ms"] == 100
        assert job["usage"] == {"characters": 5}
        assert job["cost"] == 0.005
        assert fetched(job["result"]["url"]).headers["Content-Type"] == "audio/wav"

    def test_a_repeat_under_its_key_is_the_same_sound(self, caller: Caller) -> None:
        fields = {"model": "tts-1", "input": "hello", "response_format": "wav"}
        first, second = (
            caller.post("/v1/audio/speech", fields, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        )

        assert first.content == second.content
        assert second.headers["Idempotent-Replayed"] == "true"
        assert len(caller.get("/v1/jobs").json()["data"]) == 1

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"input": "x" * 1001}, "input"),
            ({"voice": "nobody"}, "voice"),
            ({"response_format": "midi"}, "response_format"),
            ({"model": "whisper-1"}, "model"),
            ({"speed": 5}, "speed"),
        ],
    )
    def test_what_the_model_cannot_say_is_refused(
        self, caller: Caller, fields: dict[str, Any], field: str
    ) -> None:
        answer = caller.post("/v1/audio/speech", {"model": "tts-1", "input": "hello", **fields})

        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["field"] == field
