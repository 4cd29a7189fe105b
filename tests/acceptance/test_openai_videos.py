"""OpenAI's own client makes a video: create, poll, download, list, delete."""

import base64
from collections.abc import Callable, Iterator

import openai
import pytest
import requests

from tests import schemas
from tests.acceptance.callers import Caller
from tests.acceptance.test_media import data_url, length_ms

# OpenAI ends its own service; its client can still speak to others.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
def client(caller: Caller) -> Iterator[openai.OpenAI]:
    base_url = f"{caller.system.base_url}/openai/v1"
    with openai.OpenAI(base_url=base_url, api_key=caller.key, max_retries=0) as made:
        yield made


SMALL = {"size": "64x64"}  # no size of OpenAI's: the test's own patience


def require_no_range_beyond(caller: Caller, video_id: str, *, size: int) -> None:
    beyond = caller.get(
        f"/openai/v1/videos/{video_id}/content", headers={"Range": f"bytes={size}-"}
    )
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    refused = schemas.require("openai", "error", beyond.json())["error"]
    assert (beyond.status_code, refused["code"]) == (416, "range-not-satisfiable")


def test_a_video_from_its_prompt_to_its_deletion(
    client: openai.OpenAI, caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    made = client.videos.create(
        model="wan-2.1",
        prompt="a lake",
        seconds="1",  # type: ignore[arg-type]
        extra_body=SMALL,
    )
    schemas.require("openai", "video", made.to_dict())
    assert made.status in ("queued", "in_progress")
    assert (made.seconds, made.size, made.prompt) == ("1", "64x64", "a lake")
    caller.ended(made.id)

    done = client.videos.retrieve(made.id)
    schemas.require("openai", "video", done.to_dict())
    assert (done.status, done.progress, done.error) == ("completed", 100, None)
    video = client.videos.download_content(made.id).read()
    assert length_ms(video) == pytest.approx(1000, abs=260)
    part = caller.get(f"/openai/v1/videos/{made.id}/content", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    require_no_range_beyond(caller, made.id, size=len(video))
    assert [one.id for one in client.videos.list()] == [made.id]
    with pytest.raises(openai.BadRequestError, match="cannot be remixed"):
        client.videos.remix(made.id, prompt="a pond")
    stranger = new_caller()
    assert stranger.post(f"/openai/v1/videos/{made.id}/remix").status_code == 404
    assert stranger.get(f"/openai/v1/videos/{made.id}").status_code == 404
    assert stranger.get(f"/openai/v1/videos/{made.id}/content").status_code == 404
    assert stranger.request("DELETE", f"/openai/v1/videos/{made.id}").status_code == 404

    address = caller.job(made.id)["result"]["url"]
    assert requests.get(address, timeout=30).status_code == 200
    assert client.videos.delete(made.id).deleted
    assert requests.get(address, timeout=30).status_code == 404
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.videos.download_content(made.id)
    assert client.videos.list().data == []


def test_a_video_begins_from_a_picture(client: openai.OpenAI, caller: Caller) -> None:
    picture = base64.b64decode(data_url("red").partition(",")[2])
    made = client.videos.create(
        model="wan-2.1",
        prompt="a lake",
        seconds="1",  # type: ignore[arg-type]
        input_reference=("red.png", picture),
        extra_body=SMALL,
    )

    schemas.require("openai", "video", made.to_dict())
    caller.ended(made.id)
    done = client.videos.retrieve(made.id)
    assert done.status == "completed", done.error
    assert b"ftyp" in client.videos.download_content(made.id).read()[:12]


def test_what_is_refused_names_the_fields_of_openai(client: openai.OpenAI) -> None:
    for fields, param in (
        ({"seconds": "99"}, "seconds"),
        ({"seconds": 4}, "seconds"),
        ({"size": "large"}, "size"),
        ({"prompt": ""}, "prompt"),
        ({"input_reference": {"file_id": "file-x"}}, "input_reference"),
        ({"input_reference": {"image_url": "ftp://example.com"}}, "input_reference"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.post(
                "/videos",
                body={"model": "wan-2.1", "prompt": "a lake", **fields},
                cast_to=object,
            )
        assert refused.value.param == param
    with pytest.raises(openai.BadRequestError) as no_picture:
        client.videos.create(model="wan-2.1", prompt="a lake", input_reference=("a.png", b"x"))
    assert no_picture.value.param == "input_reference"
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("video_nothing")
