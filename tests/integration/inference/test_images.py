"""Pictures by real pipelines: the tiny ones that are shipped, and a Stable Diffusion built here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from inference import pictures
from inference.backends import pipelines
from inference.backends.images import ImageBackend
from inference.backends.serial import Run
from inference.backends.tiny import diffusion_parts
from inference.errors import Cancelled, GenerationFailed, InputRejected, OutOfMemory
from inference.specs import MediaSpec
from inference.types import ImageFormat, MediaResult
from tests.integration.inference import media


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 1 with guidance, and with a checker that must not be loaded."""
    pipelines.be_quiet()
    torch.manual_seed(1)
    tokenizer = diffusion_parts.clip_tokenizer()
    pipe = diffusers.StableDiffusionPipeline(
        vae=diffusion_parts.picture_vae(),
        text_encoder=diffusion_parts.clip_encoder(tokenizer=tokenizer),
        tokenizer=tokenizer,
        unet=diffusers.UNet2DConditionModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=diffusion_parts.WIDTH, attention_head_dim=2,
        ),
        scheduler=diffusers.HeunDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    directory = tmp_path_factory.mktemp("sd")
    pipe.save_pretrained(directory)
    index = directory / pipelines.INDEX
    none = '"safety_checker": [\n    null,\n    null\n  ]'
    named = '"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]'
    assert none in index.read_text()
    index.write_text(index.read_text().replace(none, named))
    return directory


@pytest.fixture(scope="module", params=["sdxl", "flux", "sd"])
def painter(request: pytest.FixtureRequest, stable_diffusion: Path) -> Iterator[ImageBackend]:
    sources = {"sdxl": media.SDXL, "flux": media.FLUX, "sd": stable_diffusion}
    limits = MediaSpec(guidance=5.0 if request.param == "sd" else 0.0, max_pixels=300_000)
    with media.running(
        ImageBackend(media.image_spec(sources[request.param], media=limits))
    ) as backend:
        yield backend


@pytest.fixture(scope="module")
def sdxl() -> Iterator[ImageBackend]:
    with media.running(ImageBackend(media.image_spec(media.SDXL))) as backend:
        yield backend


class TestEveryPipeline:
    def test_draws_the_same_bytes_for_the_same_request(self, painter: ImageBackend) -> None:
        first, again = media.files(painter, media.image()), media.files(painter, media.image())

        assert first == again
        assert media.pixels(first[0]).std() > 5  # it is not blank

    @pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "a mountain"}])
    def test_draws_another_picture_for_another(
        self, painter: ImageBackend, change: dict[str, Any]
    ) -> None:
        (one,), (other,) = (
            media.files(painter, media.image()),
            media.files(painter, media.image(**change)),
        )

        assert not np.array_equal(media.pixels(one), media.pixels(other))

    def test_picture_i_of_n_is_the_picture_of_its_own_seed(self, painter: ImageBackend) -> None:
        three = media.files(painter, media.image(count=3))
        alone = media.files(painter, media.image(seed=7 + 2))

        assert three[2] == alone[0]
        assert three[1] != three[2]

    def test_has_the_asked_size_whatever_the_model_works_in(self, painter: ImageBackend) -> None:
        (file,) = media.files(painter, media.image(width=75, height=50))

        assert (file.width, file.height) == (75, 50)
        assert media.pixels(file).shape == (50, 75, 3)

    def test_progress_and_usage_come_step_by_step(self, painter: ImageBackend) -> None:
        listener = media.start(painter, media.image(count=2))

        result = listener.wait()

        assert isinstance(result, MediaResult)
        assert len(listener.percents) >= 4
        assert listener.percents == sorted(set(listener.percents))
        assert listener.percents[-1] == 99
        assert listener.usages[0].parts == 2 * 2 * 64 * 64

    def test_a_cancel_ends_it_within_a_step_and_tells_what_was_done(
        self, painter: ImageBackend
    ) -> None:
        listener = media.cancelled_at(painter, media.image(steps=50, count=2), percent=1)

        assert isinstance(listener.outcomes[0], Cancelled)
        assert listener.percents == [1]
        assert 64 * 64 <= listener.usages[0].parts <= 2 * 64 * 64

    def test_runs_on_after_a_cancel(self, painter: ImageBackend) -> None:
        before = media.files(painter, media.image())
        media.cancelled_at(painter, media.image(steps=50), percent=1)

        assert media.files(painter, media.image()) == before

    def test_a_negative_prompt_is_no_error_where_the_pipeline_ignores_it(
        self, painter: ImageBackend
    ) -> None:
        assert media.files(painter, media.image(negative_prompt="rain"))


def test_tells_the_memory_that_it_takes_and_gives_it_back() -> None:
    backend = ImageBackend(media.image_spec(media.SDXL))
    with media.running(backend):
        taken = backend.memory_bytes()
        with_offload = ImageBackend(media.image_spec(media.SDXL, options={"offload": "model"}))
        with_offload._pipe = backend._pipe
        largest = with_offload.memory_bytes()

    weights = sum(path.stat().st_size for path in media.SDXL.rglob("*.safetensors"))
    assert taken == pytest.approx(2 * weights, rel=0.1)  # shipped in half the bytes of float32
    assert largest < 0.9 * taken
    assert backend.memory_bytes() == 0


@pytest.mark.parametrize("image_format", list(ImageFormat))
def test_writes_each_format(sdxl: ImageBackend, image_format: ImageFormat) -> None:
    (file,) = media.files(sdxl, media.image(format=image_format))

    assert file.media_type == f"image/{image_format}"
    assert pictures.inspect(file.content, field="f").format == image_format


def test_a_negative_prompt_counts_where_there_is_guidance(stable_diffusion: Path) -> None:
    spec = media.image_spec(stable_diffusion, media=MediaSpec(guidance=9.0))
    with media.running(ImageBackend(spec)) as backend:
        without = media.files(backend, media.image())
        against = media.files(backend, media.image(negative_prompt="rain and clouds"))

    assert without != against


def test_several_at_once_look_as_they_do_one_by_one(sdxl: ImageBackend) -> None:
    one_by_one = media.files(sdxl, media.image(count=4))
    spec = media.image_spec(media.SDXL, options={"pictures_at_once": 3})
    with media.running(ImageBackend(spec)) as together:
        at_once = media.files(together, media.image(count=4))

    for left, right in zip(one_by_one, at_once, strict=True):
        assert (
            np.abs(media.pixels(left) - media.pixels(right)).max() <= 1
        )  # the last bit may differ


def test_refuses_more_pixels_than_the_model_takes(sdxl: ImageBackend) -> None:
    refusal = media.outcome(sdxl, media.image(width=600, height=600))

    assert isinstance(refusal, InputRejected)
    assert refusal.field == "size"


def test_refuses_a_request_for_a_video(sdxl: ImageBackend) -> None:
    assert isinstance(media.outcome(sdxl, media.video()), InputRejected)


class Narrow(ImageBackend):
    """Has memory for so many pictures at once."""

    room = 1

    def denoise(self, pipe: Any, run: Run, **arguments: Any) -> torch.Tensor:
        if arguments["num_images_per_prompt"] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().denoise(pipe, run, **arguments)


class Overflowing(ImageBackend):
    """Its numbers overflow."""

    def denoise(self, pipe: Any, run: Run, **arguments: Any) -> torch.Tensor:
        with torch.no_grad():
            next(pipe.vae.decoder.parameters()).fill_(float("nan"))
        return super().denoise(pipe, run, **arguments)


class TestFailures:
    def test_where_several_do_not_fit_they_are_drawn_one_by_one(self) -> None:
        spec = media.image_spec(media.SDXL, options={"pictures_at_once": 2})
        with media.running(Narrow(spec)) as backend:
            found = media.files(backend, media.image(count=3))

        assert len(found) == 3

    def test_where_not_even_one_fits_the_caller_is_told_and_the_worker_goes_on(self) -> None:
        with media.running(Narrow(media.image_spec(media.SDXL))) as backend:
            backend.room = 0
            failure = media.outcome(backend, media.image())
            backend.room = 1
            after = media.files(backend, media.image())

        assert isinstance(failure, OutOfMemory)
        assert after

    def test_numbers_that_overflow_are_no_black_picture(self) -> None:
        with media.running(Overflowing(media.image_spec(media.SDXL))) as backend:
            failure = media.outcome(backend, media.image())

        assert isinstance(failure, GenerationFailed)
