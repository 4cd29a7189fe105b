"""Videos by real pipelines: the tiny ones that are shipped, and some that are put together here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from inference.backends import pipelines
from inference.backends.tiny import diffusion_parts, video_building
from inference.backends.videos import VideoBackend
from inference.errors import Cancelled, InputRejected, ModelLoadFailed
from inference.types import Container, MediaResult
from tests.integration.inference import media
from tests.unit.inference.listeners import RecordingListener

BOTH = ("generation", "transition")
WAN_OPTIONS = {"transitions": "./transitions"}
PIXEL_MS = 64 * 64 * 2000


@pytest.fixture(scope="module", params=["ltx", "wan"])
def filmer(request: pytest.FixtureRequest) -> Iterator[VideoBackend]:
    spec = (
        media.video_spec(media.LTX, capabilities=BOTH)
        if request.param == "ltx"
        else media.video_spec(media.WAN, capabilities=BOTH, options=WAN_OPTIONS)
    )
    with media.running(VideoBackend(spec)) as backend:
        yield backend


@pytest.fixture(scope="module")
def ltx() -> Iterator[VideoBackend]:
    with media.running(VideoBackend(media.video_spec(media.LTX))) as backend:
        yield backend


class TestEveryPipeline:
    @pytest.mark.parametrize("container", list(Container))
    def test_makes_the_same_bytes_for_the_same_request(
        self, filmer: VideoBackend, container: Container
    ) -> None:
        (one,) = media.files(filmer, media.video(format=container))
        (again,) = media.files(filmer, media.video(format=container))

        assert one == again
        assert one.media_type == f"video/{container}"
        assert media.frames(one).std() > 5  # it is not blank

    @pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "a mountain"}])
    def test_makes_another_video_for_another(
        self, filmer: VideoBackend, change: dict[str, Any]
    ) -> None:
        (one,) = media.files(filmer, media.video())
        (other,) = media.files(filmer, media.video(**change))

        assert _distance(one, other) > 0.5

    @pytest.mark.parametrize("duration_ms", [1000, 2300, 5000])
    def test_lasts_as_long_as_asked_in_frames_that_come_nearest_to_the_rate(
        self, filmer: VideoBackend, duration_ms: int
    ) -> None:
        (file,) = media.files(filmer, media.video(duration_ms=duration_ms))

        assert file.duration_ms == media.duration_ms(file) == duration_ms
        wanted = duration_ms * 4 / 1000  # frames a second
        assert abs(len(media.frames(file)) - wanted) <= max(5, 9 - wanted)

    @pytest.mark.parametrize(("width", "height"), [(100, 60), (75, 51)])
    def test_has_the_asked_size_made_even(
        self, filmer: VideoBackend, width: int, height: int
    ) -> None:
        (file,) = media.files(filmer, media.video(width=width, height=height))

        shown = (width + width % 2, height + height % 2)
        assert (file.width, file.height) == shown
        assert media.frames(file).shape[1:3] == shown[::-1]

    def test_the_pictures_change_the_video(self, filmer: VideoBackend) -> None:
        red, blue = media.png("red"), media.png("blue")
        asked = (
            media.video(prompt="", **pictures)
            for pictures in (
                {},
                {"start_image": red},
                {"start_image": blue},
                {"start_image": red, "end_image": blue},
                {"start_image": red, "end_image": red},
            )
        )

        none, from_red, from_blue, red_blue, red_red = (
            media.files(filmer, request)[0] for request in asked
        )

        assert _distance(none, from_red) > 0.5
        assert _distance(from_red, from_blue) > 0.5
        assert _distance(from_red, red_blue) > 0.5
        assert _distance(red_red, red_blue) > 0.1  # one frame of many

    def test_progress_has_a_share_for_steps_and_one_for_writing(self, filmer: VideoBackend) -> None:
        listener = media.start(filmer, media.video())

        result = listener.wait()

        assert isinstance(result, MediaResult)
        assert listener.percents[:2] == [45, 90]
        assert listener.percents[-1] == 99
        assert len(listener.percents) > 5
        assert listener.usages[0].parts == PIXEL_MS

    def test_a_cancel_ends_it_within_a_step_and_tells_the_share_done(
        self, filmer: VideoBackend
    ) -> None:
        listener = media.cancelled_at(filmer, media.video(), percent=1)

        assert isinstance(listener.outcomes[0], Cancelled)
        assert listener.percents == [45]
        assert listener.usages[0].parts == PIXEL_MS // 2

    def test_a_cancel_ends_the_decoding_between_two_pieces(self) -> None:
        with media.running(VideoBackend(media.video_spec(media.WAN))) as backend:
            decoder = backend.pipes[0].vae.decoder
            listener = RecordingListener()
            decoded: list[None] = []

            def on_piece(*_: Any) -> None:
                decoded.append(None)
                handle.cancel()

            decoder.register_forward_hook(on_piece)
            with backend._changed:  # the line is held shut until the handle is known
                handle = backend.submit(media.video(), listener)
            outcome = listener.wait()

        assert isinstance(outcome, Cancelled)
        assert len(decoded) == 1
        assert listener.usages[0].parts == PIXEL_MS

    def test_a_cancel_ends_the_writing(self, filmer: VideoBackend) -> None:
        listener = media.cancelled_at(filmer, media.video(), percent=91)

        assert isinstance(listener.outcomes[0], Cancelled)
        assert listener.percents[-1] < 99
        assert listener.usages[0].parts == PIXEL_MS

    def test_a_damaged_picture_costs_nothing(self, filmer: VideoBackend) -> None:
        listener = media.start(filmer, media.video(start_image=media.png("red")[:80]))

        refusal = listener.wait()

        assert isinstance(refusal, InputRejected)
        assert refusal.field == "start_image"
        assert listener.usages[0].parts == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "field"),
        [({"width": 600, "height": 600}, "size"),
         ({"duration_ms": 5001}, "duration_seconds"),
         ({"start_image": b"nonsense"}, "start_image"),
         ({"start_image": media.png("red"), "end_image": b"nonsense"}, "end_image"),
         ({"end_image": media.png("red")}, "start_image")],
    )  # fmt: skip
    def test_names_the_field(self, ltx: VideoBackend, change: dict[str, Any], field: str) -> None:
        refusal = media.outcome(ltx, media.video(**change))

        assert isinstance(refusal, InputRejected)
        assert refusal.field == field

    def test_a_request_for_a_picture_is_refused(self, ltx: VideoBackend) -> None:
        assert isinstance(media.outcome(ltx, media.image()), InputRejected)


class TestOtherPipelines:
    def test_a_plain_ltx_starts_from_a_picture_and_takes_no_end(self, tmp_path: Path) -> None:
        whole = pipelines.open_pipeline(media.video_spec(media.LTX), media.LTX)
        diffusers.LTXPipeline(**whole.components).save_pretrained(tmp_path)
        red, blue = media.png("red"), media.png("blue")
        with media.running(VideoBackend(media.video_spec(tmp_path))) as backend:
            (from_red,) = media.files(backend, media.video(start_image=red))
            (from_blue,) = media.files(backend, media.video(start_image=blue))
            (from_words,) = media.files(backend, media.video())
            refusal = media.outcome(backend, media.video(start_image=red, end_image=blue))

        assert _distance(from_red, from_blue) > 0.5
        assert _distance(from_red, from_words) > 0.5
        assert isinstance(refusal, InputRejected)
        assert refusal.field == "end_image"

    def test_a_wan_of_words_alone_takes_no_pictures(self) -> None:
        with media.running(VideoBackend(media.video_spec(media.WAN))) as backend:
            refusal = media.outcome(backend, media.video(start_image=media.png("red")))
            can = backend.capabilities

        assert isinstance(refusal, InputRejected)
        assert refusal.field == "start_image"
        assert can == {"generation", "seed"}

    def test_a_wan_that_marks_its_frames_starts_from_a_picture(self, tmp_path: Path) -> None:
        wan = pipelines.open_pipeline(media.video_spec(media.WAN), media.WAN)
        wan.register_to_config(expand_timesteps=True)  # as Wan 2.2's smallest does
        wan.save_pretrained(tmp_path)
        with media.running(VideoBackend(media.video_spec(tmp_path))) as backend:
            (from_red,) = media.files(backend, media.video(start_image=media.png("red")))
            (from_blue,) = media.files(backend, media.video(start_image=media.png("blue")))

        assert _distance(from_red, from_blue) > 0.5

    def test_an_old_pipeline_is_driven_and_stopped_too(self, tmp_path: Path) -> None:
        _save_text_to_video(tmp_path)
        with media.running(VideoBackend(media.video_spec(tmp_path))) as backend:
            (file,) = media.files(backend, media.video())
            listener = media.cancelled_at(backend, media.video(), percent=1)

        assert media.duration_ms(file) == 2000
        assert len(media.frames(file)) == 8  # it packs no frames together
        assert isinstance(listener.outcomes[0], Cancelled)
        assert listener.percents == [45]

    def test_a_checkpoint_that_cannot_keep_what_the_file_promises_is_not_loaded(self) -> None:
        backend = VideoBackend(media.video_spec(media.WAN, capabilities=BOTH))

        with pytest.raises(ModelLoadFailed, match="makes no transition: correct its capabilities"):
            backend.load()

    def test_a_checkpoint_of_pictures_is_not_loaded(self) -> None:
        with pytest.raises(ModelLoadFailed, match="cannot drive: it does not take num_frames"):
            VideoBackend(media.video_spec(media.SDXL)).load()


def _save_text_to_video(directory: Path) -> None:
    pipelines.be_quiet()
    torch.manual_seed(1)
    tokenizer = diffusion_parts.clip_tokenizer()
    diffusers.TextToVideoSDPipeline(
        vae=diffusion_parts.picture_vae(),
        text_encoder=diffusion_parts.clip_encoder(tokenizer=tokenizer),
        tokenizer=tokenizer,
        unet=diffusers.UNet3DConditionModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=diffusion_parts.WIDTH, attention_head_dim=4,
        ),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
    ).save_pretrained(directory)  # fmt: skip


def _distance(one: Any, other: Any) -> float:
    """Return by how much two videos differ, on average, of 255."""
    return float(np.abs(media.frames(one) - media.frames(other)).mean())


def test_the_tiny_checkpoints_can_be_built_again(tmp_path: Path) -> None:
    video_building.build_ltx(tmp_path / "genie-tiny-ltx")
    (tmp_path / "genie-tiny-wan").mkdir()
    video_building.build_wan(tmp_path / "genie-tiny-wan")

    for name, shipped in (("genie-tiny-ltx", media.LTX), ("genie-tiny-wan", media.WAN)):
        for path in sorted(shipped.rglob("*.json")):
            built = tmp_path / name / path.relative_to(shipped)
            assert built.read_bytes() == path.read_bytes()
