"""Opening pipelines: what is fetched, what is never run, and the words when it does not work."""

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from inference import downloads, pictures
from inference.backends import pipelines
from inference.backends.images import ImageBackend
from inference.errors import ModelLoadFailed, ModelMissing
from tests.integration.inference import media

HUB_ID = "somebody/some-pipeline"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A hub whose pipeline has every kind of part; holds what was asked of it."""
    index = tmp_path / pipelines.INDEX
    index.write_text(
        json.dumps({
            "_class_name": "StableDiffusionPipeline",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "image_encoder": [None, None],
            "requires_safety_checker": True,
        })
    )  # fmt: skip
    asked: list[dict[str, Any]] = []

    def snapshot(hub_id: str, **options: Any) -> str:
        asked.append({"hub_id": hub_id, **options})
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(index))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


class TestFetch:
    def test_downloads_the_parts_that_are_used_and_nothing_else(
        self, hub: list[dict[str, Any]]
    ) -> None:
        pipelines.fetch(media.image_spec(HUB_ID, revision="abc"), HUB_ID)

        (asked,) = hub
        assert (asked["hub_id"], asked["revision"]) == (HUB_ID, "abc")
        names = huggingface_hub.utils.filter_repo_objects(  # type: ignore[attr-defined] # public, but not listed

            ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
             "tokenizer/vocab.json", "tokenizer/merges.txt",
             # none of these:
             "everything.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
             "unet/diffusion_pytorch_model.bin", "unet/code.py", "pipeline.py",
             "safety_checker/model.safetensors", "image_encoder/model.safetensors",
             "vae/model.safetensors"],
            allow_patterns=asked["allow_patterns"],
            ignore_patterns=asked["ignore_patterns"],
        )  # fmt: skip
        assert list(names) == [
            "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
            "tokenizer/vocab.json", "tokenizer/merges.txt",
        ]  # fmt: skip

    def test_takes_the_variant_that_is_named(self, hub: list[dict[str, Any]]) -> None:
        pipelines.fetch(media.image_spec(HUB_ID, options={"variant": "fp16"}), HUB_ID)

        assert "unet/*.fp16*.safetensors" in hub[0]["allow_patterns"]
        assert "unet/*.safetensors" not in hub[0]["allow_patterns"]

    def test_a_second_checkpoint_has_its_own_revision_and_leaves_out_what_is_at_hand(
        self, hub: list[dict[str, Any]]
    ) -> None:
        options = {"transitions_revision": "def"}
        spec = media.video_spec(media.WAN, revision="abc", options=options)
        pipelines.fetch(spec, HUB_ID, shared=("unet",))

        assert hub[0]["revision"] == "def"
        assert not [pattern for pattern in hub[0]["allow_patterns"] if pattern.startswith("unet")]

    def test_a_pull_brings_the_second_checkpoint_too(self, hub: list[dict[str, Any]]) -> None:
        options = {"transitions": "somebody/transitions", "transitions_revision": "def"}
        downloads.pull(media.video_spec(HUB_ID, revision="abc", options=options))

        assert [(one["hub_id"], one["revision"]) for one in hub] == [
            (HUB_ID, "abc"),
            ("somebody/transitions", "def"),
        ]

    def test_a_pull_brings_it_to_a_model_that_was_placed_by_hand(
        self, hub: list[dict[str, Any]]
    ) -> None:
        spec = media.video_spec(media.WAN, options={"transitions": "somebody/transitions"})
        assert downloads.pull(spec) == media.WAN

        (asked,) = hub
        assert asked["hub_id"] == "somebody/transitions"

    def test_a_directory_without_a_pipeline_is_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing, match="not on this worker"):
            ImageBackend(media.image_spec(tmp_path)).load()


class TestCode:
    @pytest.mark.parametrize(
        "change",
        [{"_class_name": ["pipeline", "MyPipeline"]},
         {"_class_name": "NoSuchPipeline"},
         {"unet": ["os", "system"]},
         {"unet": ["my_module", "MyModel"]}],
        ids=["own pipeline", "unknown pipeline", "other library", "own part"],
    )  # fmt: skip
    def test_of_a_checkpoint_is_never_run(self, tmp_path: Path, change: dict[str, Any]) -> None:
        shutil.copytree(media.SDXL, tmp_path, dirs_exist_ok=True)
        index = tmp_path / pipelines.INDEX
        index.write_text(json.dumps(json.loads(index.read_text()) | change))

        with pytest.raises(ModelLoadFailed, match="code of its own, which is never run"):
            ImageBackend(media.image_spec(tmp_path)).load()

    def test_pickled_weights_are_not_read(self, tmp_path: Path) -> None:
        shutil.copytree(media.SDXL, tmp_path, dirs_exist_ok=True)
        weights = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))

        with pytest.raises(ModelLoadFailed, match="could not be loaded"):
            ImageBackend(media.image_spec(tmp_path)).load()


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [({"offload": "model"}, "option offload, which needs a CUDA device"),
         ({"offload": "some"}, "unknown offload"),
         ({"dtype": "int8"}, "unknown dtype"),
         ({"vae_dtype": "int8"}, "unknown dtype"),
         ({"arguments": {"no_such": 1}}, "options.arguments of model tiny has no_such"),
         ({"arguments": {"prompt": "x"}}, "options.arguments of model tiny has prompt")],
    )  # fmt: skip
    def test_a_wrong_one_is_named(self, options: dict[str, Any], sentence: str) -> None:
        with pytest.raises(ModelLoadFailed, match=sentence):
            ImageBackend(media.image_spec(media.SDXL, options=options)).load()

    def test_a_pipeline_of_videos_draws_no_pictures(self) -> None:
        with pytest.raises(ModelLoadFailed, match="cannot drive"):
            ImageBackend(media.image_spec(media.WAN)).load()

    def test_further_arguments_reach_the_pipeline(self) -> None:
        spec = media.image_spec(media.FLUX, options={"arguments": {"max_sequence_length": 8}})
        prompt = "a lake among mountains in the evening of a day in autumn"
        with (
            media.running(ImageBackend(spec)) as short,
            media.running(ImageBackend(media.image_spec(media.FLUX))) as whole,
        ):
            (one,), (other,) = (
                media.files(backend, media.image(prompt=prompt)) for backend in (short, whole)
            )

        assert one != other

    @pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"vae_tiling": True}])
    def test_number_format_and_tiles_draw_pictures_too(self, options: dict[str, Any]) -> None:
        with media.running(ImageBackend(media.image_spec(media.SDXL, options=options))) as backend:
            (file,) = media.files(backend, media.image())

        assert pictures.inspect(file.content, field="f").width == 64
        assert media.pixels(file).std() > 5
