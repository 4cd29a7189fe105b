"""Pictures and videos on a CUDA device, by the tiny pipelines and by one of real size.

Skipped where there is none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from inference.backends.images import ImageBackend
from inference.backends.videos import VideoBackend
from inference.errors import Cancelled
from inference.specs import MediaSpec
from inference.types import MediaResult
from tests.benchmarks.gpu_media import SdxlBackend, WanBackend
from tests.integration.inference import media

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CUDA = {"device": "cuda"}


@pytest.fixture(scope="module", params=["sdxl", "flux"])
def painter(request: pytest.FixtureRequest) -> Iterator[ImageBackend]:
    source = {"sdxl": media.SDXL, "flux": media.FLUX}[request.param]
    with media.running(ImageBackend(media.image_spec(source, options=CUDA))) as backend:
        yield backend


@pytest.fixture(scope="module", params=["ltx", "wan"])
def filmer(request: pytest.FixtureRequest) -> Iterator[VideoBackend]:
    source, more = {
        "ltx": (media.LTX, {}),
        "wan": (media.WAN, {"transitions": "./transitions", "vae_dtype": "float32"}),
    }[request.param]
    with media.running(VideoBackend(media.video_spec(source, options=CUDA | more))) as backend:
        yield backend


def test_the_same_request_is_the_same_picture(painter: ImageBackend) -> None:
    assert media.files(painter, media.image()) == media.files(painter, media.image())


def test_float32_draws_what_a_processor_draws() -> None:
    drawn = []
    for device in ("cuda", "cpu"):
        spec = media.image_spec(media.SDXL, options={"device": device, "dtype": "float32"})
        with media.running(ImageBackend(spec)) as backend:
            drawn.append(media.pixels(media.files(backend, media.image())[0]))

    assert np.abs(drawn[0] - drawn[1]).mean() < 2


def test_several_are_drawn_at_once_each_with_its_own_seed(painter: ImageBackend) -> None:
    four = media.files(painter, media.image(count=4))
    last = media.files(painter, media.image(seed=7 + 3))

    difference = np.abs(media.pixels(four[3]) - media.pixels(last[0]))
    assert difference.mean() < 2  # bfloat16 in another batch


@pytest.mark.parametrize("offload", ["model", "layers"])
def test_parts_that_are_offloaded_draw_and_go_back_after_a_cancel(offload: str) -> None:
    spec = media.image_spec(media.FLUX, options=CUDA | {"offload": offload})
    with media.running(ImageBackend(spec)) as backend:
        before = torch.cuda.memory_allocated()
        cancelled = media.cancelled_at(backend, media.image(steps=50), percent=1)
        after = torch.cuda.memory_allocated()
        drawn = media.files(backend, media.image())

    assert isinstance(cancelled.outcomes[0], Cancelled)
    assert after <= before
    assert drawn


@pytest.mark.parametrize("pictures", [{}, {"start": "red"}, {"start": "red", "end": "blue"}])
def test_videos_are_made_from_words_and_pictures(
    filmer: VideoBackend, pictures: dict[str, Any]
) -> None:
    sent = {f"{name}_image": media.png(color) for name, color in pictures.items()}

    (file,) = media.files(filmer, media.video(**sent))

    assert media.duration_ms(file) == 2000


def test_a_cancel_ends_it_within_a_step(filmer: VideoBackend) -> None:
    listener = media.cancelled_at(filmer, media.video(), percent=1)

    assert isinstance(listener.outcomes[0], Cancelled)
    assert listener.percents == [45]


def test_memory_is_given_back() -> None:
    before = torch.cuda.memory_allocated()
    with media.running(ImageBackend(media.image_spec(media.SDXL, options=CUDA))) as backend:
        media.files(backend, media.image())
        assert torch.cuda.memory_allocated() > before

    assert torch.cuda.memory_allocated() <= before


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "request_made"),
    [(SdxlBackend, media.image(width=1024, height=1024)),
     (WanBackend, media.video(width=832, height=480, duration_ms=5000))],
    ids=["SDXL", "Wan"],
)  # fmt: skip
def test_a_model_of_real_size_works(kind: Any, request_made: Any) -> None:
    spec = media.image_spec if kind is SdxlBackend else media.video_spec
    limits = MediaSpec(steps=2, fps=16, max_seconds=5)
    with media.running(kind(spec("/none", options=CUDA, media=limits))) as backend:
        result = media.outcome(backend, request_made)

    assert isinstance(result, MediaResult), result
