"""Journeys through Oxen's contract: the queue of both generations, and pictures to wait for."""

import base64
import datetime as dt
import io
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from PIL import Image

from genie.core import ids
from tests import schemas
from tests.acceptance import system
from tests.acceptance.callers import Caller

PICTURE = {"model": "echo-image", "prompt": "a lake", "image_size": {"width": 256, "height": 256}}
SLOW = PICTURE | {"model": "echo-image-slow"}
# 256 x 256 pixels through 4 steps at 4 credits a megapixel-step.
PICTURE_COST = 1.048576
NOT_FOUND = {
    "error": {
        "type": "resource_not_found",
        "title": "The requested resource could not be found",
    },
    "status": "error",
}
NOT_FOUND_V2 = NOT_FOUND | {"status_message": "resource_not_found"}


def enqueued(caller: Caller, body: dict[str, Any], **options: Any) -> list[str]:
    """Put generations into the queue and return their ids."""
    answer = caller.post("/api/ai/queue", body, **options)
    assert answer.status_code == 200, answer.text
    told = schemas.require("oxen", "enqueued", answer.json())
    assert {one["status"] for one in told["generations"]} == {"processing"}
    return [one["generation_id"] for one in told["generations"]]


def active(caller: Caller, model: str, *, namespace: str = "") -> dict[str, Any]:
    answer = caller.get(f"/api/media/generations/status/{namespace or caller.slug}/{model}")
    assert answer.status_code == 200, answer.text
    return dict(schemas.require("oxen", "active", answer.json()))


def row(caller: Caller, generation_id: str) -> dict[str, Any]:
    answer = caller.get(f"/api/ai/queue/{generation_id}")
    assert answer.status_code == 200, answer.text
    return dict(schemas.require("oxen", "row", answer.json()))


def listed(caller: Caller, **filters: str) -> list[str]:
    answer = caller.get("/api/ai/queue", params=filters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["count"] == len(body["generations"])
    return [schemas.require("oxen", "row", one)["generation_id"] for one in body["generations"]]


class TestQueue:
    def test_from_the_enqueueing_to_the_picture(self, caller: Caller) -> None:
        asked = SLOW | {"num_generations": 2, "seed": 7, "future": {"a": [1]}}
        asked["num_inference_steps"] = 50  # half of its usual ones
        first, second = enqueued(caller, asked)

        told = active(caller, "echo-image-slow")

        assert [one["generation_id"] for one in told["generations"]] == [first, second]
        assert told["count"] == 2
        for name in ("prompt", "image_size", "seed", "future"):
            assert told["generations"][0][name] == asked[name]
        assert listed(caller) == listed(caller, namespace=caller.slug) == [first, second]
        assert listed(caller, model="echo-image") == []

        for one in (first, second):
            caller.ended(one)

        assert active(caller, "echo-image-slow") == {
            "status": "success",
            "count": 0,
            "generations": [],
        }
        assert listed(caller) == []
        assert listed(caller, status="succeeded", media_type="image") == [first, second]
        found = row(caller, f"imggen-{ids.bare(uuid.UUID(first))}")
        assert (found["generation_id"], found["status"]) == (first, "succeeded")
        assert found["future"] == {"a": [1]}
        picture = requests.get(found["result_url"], timeout=30).content
        assert Image.open(io.BytesIO(picture)).size == (256, 256)
        kept = caller.system.sql(
            "SELECT request->'image'->>'seed', start_deadline_at - created_at, end_deadline_at - created_at"
            " FROM jobs_job WHERE id IN (%s, %s) ORDER BY id",
            *(first, second),
        )
        day = dt.timedelta(days=1)
        assert kept == [("7", day, day), ("8", day, day)]

    def test_takes_one_to_four(self, caller: Caller) -> None:
        assert len(enqueued(caller, PICTURE)) == 1
        assert len(set(enqueued(caller, PICTURE | {"num_generations": 4}))) == 4
        before = caller.jobs_count()

        for count in (0, 5, -1, 2.5, "2", True, None):
            answer = caller.post("/api/ai/queue", PICTURE | {"num_generations": count})
            assert answer.status_code == 400
            schemas.require("oxen", "error", answer.json(), part="out_of_range")

        assert caller.jobs_count() == before

    def test_keeps_pictures_that_were_sent_to_itself(self, caller: Caller) -> None:
        picture = f"data:image/png;base64,{'A' * 50_000}"
        body = {"model": "tiny-video", "prompt": "x", "input_image": [picture]}

        (generation_id,) = enqueued(caller, body)
        too_long = caller.post("/api/ai/queue", PICTURE | {"future": "x" * 50_000})

        assert row(caller, generation_id)["input_image"] == ["data:image/png;base64,..."]
        caller.ended(generation_id)
        assert row(caller, generation_id)["error_message"].startswith("input_image.0: ")
        assert too_long.status_code == 413
        schemas.require("oxen", "error", too_long.json(), part="invalid_v1")

    def test_refuses_models_that_make_no_pictures(self, caller: Caller) -> None:
        text = caller.post("/api/ai/queue", {"model": "echo", "prompt": "x"})
        unknown = caller.post("/api/ai/queue", {"model": "no/such", "prompt": "x"})
        none = caller.post("/api/ai/queue", {"prompt": "x"})

        assert (text.status_code, unknown.status_code, none.status_code) == (400, 404, 400)
        assert text.json() == {"error": {"detail": ":unsupported_media_type"}}
        assert unknown.json() == {"error": {"message": "Model not found: no/such"}}
        assert none.json() == {"error": {"message": "You must specify a model to call"}}

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"image_size": "huge"}, "image_size"),
            ({"prompt": None}, "Prompt cannot be empty"),
            ({"prompt": "some CSAM"}, ""),
            ({"model": "tiny-video", "duration": 99}, "duration"),
            (
                {"model": "tiny-video", "multi_prompt": [{"prompt": "b"}]},
                "Cannot provide both 'prompt' and 'multi_prompt'.",
            ),
        ],
    )
    def test_finds_out_about_parameters_when_it_runs(
        self, caller: Caller, wrong: dict[str, Any], message: str
    ) -> None:
        (generation_id,) = enqueued(caller, PICTURE | wrong)

        caller.ended(generation_id)

        found = row(caller, generation_id)
        assert found["status"] == "failed"
        assert found["error_message"].startswith(message)
        assert caller.balance() == (0, 0)

    def test_a_cap_that_the_sum_would_pass_refuses_them_all(
        self, new_caller: Callable[..., Caller]
    ) -> None:
        caller = new_caller()
        caller.system.manage(
            *("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily"),
            *("--credits", f"{3.5 * PICTURE_COST:.6f}"),
        )

        answer = caller.post("/api/ai/queue", PICTURE | {"num_generations": 4})

        assert answer.status_code == 402
        schemas.require("oxen", "error", answer.json(), part="capped")
        assert caller.jobs_count() == 0

    def test_a_repeat_is_answered_with_the_same_generations(self, caller: Caller) -> None:
        body = PICTURE | {"num_generations": 3}
        first = enqueued(caller, body, headers={"Idempotency-Key": "once"})

        again = caller.post("/api/ai/queue", body, headers={"Idempotency-Key": "once"})
        other = caller.post("/api/ai/queue", PICTURE, headers={"Idempotency-Key": "once"})

        assert [one["generation_id"] for one in again.json()["generations"]] == first
        assert again.headers["Idempotent-Replayed"] == "true"
        assert other.status_code == 422
        assert caller.jobs_count() == 3


class TestCancel:
    def test_v1_cancels_once_and_leaves_the_siblings_alone(self, caller: Caller) -> None:
        first, second = enqueued(caller, SLOW | {"num_generations": 2})
        path = f"/api/media/generations/{caller.slug}/{first}"

        answer, again = caller.request("DELETE", path), caller.request("DELETE", path)

        assert answer.json() == {"status": "success", "generation_id": first}
        schemas.require("oxen", "cancelled", answer.json())
        assert (answer.status_code, again.status_code) == (200, 404)
        assert again.json() == NOT_FOUND
        told = active(caller, "echo-image-slow")
        assert [one["generation_id"] for one in told["generations"]] == [second]
        assert row(caller, first)["status"] == "cancelled"

    def test_one_that_runs_has_ended_when_the_answer_is_there(self, caller: Caller) -> None:
        (generation_id,) = enqueued(caller, SLOW)
        system.until(lambda: row(caller, generation_id)["status"] == "processing", what="a worker")

        answer = caller.request("DELETE", f"/api/ai/queue/{generation_id}")

        assert answer.json() == {"status": "success", "generation_id": generation_id}
        assert caller.row(generation_id)["state"] == "cancelled"
        cancelled = row(caller, generation_id)
        assert cancelled["status"] == "cancelled"
        assert active(caller, "echo-image-slow")["count"] == 0

        again = caller.request("DELETE", f"/api/ai/queue/{generation_id}")
        assert (again.status_code, again.json()) == (200, answer.json())
        assert row(caller, generation_id) == cancelled

    def test_nobody_elses(self, caller: Caller, new_caller: Callable[..., Caller]) -> None:
        stranger, random = new_caller(), str(uuid.uuid4())
        (foreign,) = enqueued(stranger, SLOW)
        for generation_id in (foreign, random, "nonsense"):
            for method, path, expected in (
                ("DELETE", f"/api/media/generations/{caller.slug}/{generation_id}", NOT_FOUND),
                ("DELETE", f"/api/media/generations/{stranger.slug}/{generation_id}", NOT_FOUND),
                ("GET", f"/api/ai/queue/{generation_id}", NOT_FOUND_V2),
                ("DELETE", f"/api/ai/queue/{generation_id}", NOT_FOUND_V2),
            ):
                answer = caller.request(method, path)
                assert (answer.status_code, answer.json()) == (404, expected)

        assert row(stranger, foreign)["status"] in ("queued", "processing")


class TestNamespaces:
    def test_are_the_organisation_and_the_names_of_those_at_home_in_it(
        self, caller: Caller, new_caller: Callable[..., Caller]
    ) -> None:
        username = f"una-{caller.slug}"
        caller.system.manage(
            "create_member", "--org", caller.slug, "--user", username, "--role", "member"
        )

        (generation_id,) = enqueued(caller, SLOW | {"target_namespace": username})

        assert active(caller, "echo-image-slow", namespace=username)["count"] == 1
        assert listed(caller, namespace=username) == [generation_id]
        stranger = new_caller()
        for name in (username, caller.slug, "nobody-at-all", "a%00b"):
            answer = stranger.get(f"/api/media/generations/status/{name}/echo-image-slow")
            assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
        posted = stranger.post("/api/ai/queue", PICTURE | {"target_namespace": username})
        assert (posted.status_code, posted.json()) == (404, NOT_FOUND)


class TestStatus:
    def test_of_a_model_with_slashes(self, caller: Caller) -> None:
        for model in ("a/b/c", "a%2Fb", "a%00b", "echo"):
            assert active(caller, model)["count"] == 0

    def test_has_no_jobs_of_other_routes(self, caller: Caller) -> None:
        native = caller.post(
            "/v1/images/generations",
            {"model": "echo-image-slow", "prompt": "x", "size": "256x256", "mode": "async"},
        ).json()["id"]

        assert active(caller, "echo-image-slow")["count"] == 0
        assert listed(caller) == []
        assert row(caller, native)["prompt"] is None
        answer = caller.request("DELETE", f"/api/media/generations/{caller.slug}/{native}")
        assert answer.status_code == 200

    def test_other_methods_and_unknown_filters_are_refused(self, caller: Caller) -> None:
        path = f"/api/media/generations/status/{caller.slug}/m"
        assert caller.request("DELETE", path).status_code == 405
        for name in ("status", "media_type"):
            answer = caller.get("/api/ai/queue", params={name: "odd"})
            assert answer.status_code == 400
            schemas.require("oxen", "error", answer.json(), part="invalid_v2")


class TestImages:
    def test_are_waited_for(self, caller: Caller) -> None:
        answer = caller.post("/api/images/generate", PICTURE | {"n": 2})

        assert answer.status_code == 200, answer.text
        told = schemas.require("oxen", "images", answer.json())
        assert told["model"] == "echo-image"
        assert len(told["images"]) == 2
        assert active(caller, "echo-image")["count"] == 0
        (generation_id,) = listed(caller, status="succeeded")
        assert row(caller, generation_id)["result_url"] == told["images"][0]["url"]

    def test_come_as_base64(self, caller: Caller) -> None:
        body = PICTURE | {"response_format": "b64_json", "num_inference_steps": 2}

        told = schemas.require("oxen", "images", caller.post("/api/images/generate", body).json())

        content = base64.b64decode(told["images"][0]["b64_json"])
        assert Image.open(io.BytesIO(content)).size == (256, 256)

    @pytest.mark.parametrize(
        ("wrong", "status", "told"),
        [
            ({"prompt": ""}, 400, r"^Prompt cannot be empty$"),
            ({"model": "no/such"}, 404, r"^Model not found: no/such$"),
            ({"model": "echo-image-missing"}, 500, ""),
        ],
    )
    def test_are_refused_with_a_message(
        self, caller: Caller, wrong: dict[str, Any], status: int, told: str
    ) -> None:
        answer = caller.post("/api/images/generate", PICTURE | wrong)

        assert answer.status_code == status, answer.text
        body = schemas.require("oxen", "error", answer.json(), part="message")
        assert re.search(told, body["error"]["message"])

    @pytest.mark.parametrize(
        "wrong", [{"image_size": "huge"}, {"model": "tiny-video"}, {"response_format": "png"}]
    )
    def test_are_refused_with_the_field(self, caller: Caller, wrong: dict[str, Any]) -> None:
        answer = caller.post("/api/images/generate", PICTURE | wrong)

        assert answer.status_code == 400, answer.text
        schemas.require("oxen", "error", answer.json(), part="invalid_v2")

    def test_that_take_too_long_are_cancelled(self, strict: Caller) -> None:
        answer = strict.post("/api/images/generate", SLOW)

        assert (answer.status_code, answer.json()) == (
            504,
            {"error": {"message": "Generation timed out"}},
        )
        native = strict.get("/v1/jobs").json()["data"][0]["id"]
        assert strict.ended(native)["status"] == "cancelled"
        assert row(strict, native)["status"] == "cancelled"

    def test_need_a_key(self, caller: Caller) -> None:
        for path, part in (
            ("/api/images/generate", "unauthenticated_v2"),
            ("/api/ai/queue", "unauthenticated_v1"),
        ):
            answer = caller.post(path, PICTURE, headers={"Authorization": "Bearer sk-none"})
            assert answer.status_code == 401
            schemas.require("oxen", "error", answer.json(), part=part)


def test_a_video_is_waited_for(caller: Caller) -> None:
    body = {"model": "tiny-video", "prompt": "a lake", "duration": 1, "size": "64x64"}

    answer = caller.post("/api/videos/generate", body)

    assert answer.status_code == 200, answer.text
    (video,) = schemas.require("oxen", "videos", answer.json())["videos"]
    assert requests.get(video["url"], timeout=30).headers["Content-Type"] == "video/mp4"
