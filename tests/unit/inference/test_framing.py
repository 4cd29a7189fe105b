"""Which pictures a video model takes, by its files; and a request that asks for another way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from inference import framing
from inference.framing import Pictures
from inference.specs import ModelSpec
from jobs.intake import media
from jobs.intake.media_bodies import TransitionBody
from tests.unit.inference.specs import echo_spec

BOTH_WAYS = Pictures.START | Pictures.BOTH
T2V: Mapping[str, Any] = {"class": "WanPipeline"}
I2V: Mapping[str, Any] = {
    "class": "WanImageToVideoPipeline",
    "transformer": {"image_dim": 1280, "pos_embed_seq_len": None},
}
FLF2V: Mapping[str, Any] = {
    "class": "WanImageToVideoPipeline",
    "transformer": {"image_dim": 1280, "pos_embed_seq_len": 514},
}


def checkpoint(directory: Path, given: Mapping[str, Any]) -> Path:
    (directory / "transformer").mkdir(parents=True)
    (directory / "transformer" / "config.json").write_text(json.dumps(given.get("transformer", {})))
    index = {"_class_name": given["class"], "expand_timesteps": given.get("expands", False)}
    (directory / "model_index.json").write_text(json.dumps(index))
    return directory


def spec(directory: Path, **options: Any) -> ModelSpec:
    return echo_spec("wan", backend="diffusers", source=str(directory), options=options)


class TestOfModel:
    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            (T2V, Pictures.NONE),
            ({"class": "WanPipeline", "expands": True}, Pictures.START),
            (I2V, Pictures.START),
            (FLF2V, Pictures.BOTH),
            ({"class": "WanImageToVideoPipeline", "transformer": {"image_dim": None}}, BOTH_WAYS),
            ({"class": "WanImageToVideoPipeline", "expands": True}, Pictures.START),
            ({"class": "LTXPipeline"}, Pictures.START),
            ({"class": "LTXConditionPipeline"}, BOTH_WAYS),
            ({"class": "CogVideoXPipeline"}, Pictures.NONE),
        ],
    )
    def test_follows_from_the_class_and_its_settings(
        self, tmp_path: Path, given: Mapping[str, Any], taken: Pictures
    ) -> None:
        assert framing.of_model(spec(checkpoint(tmp_path / "m", given))) is taken

    def test_has_what_its_second_checkpoint_has(self, tmp_path: Path) -> None:
        own = checkpoint(tmp_path / "m", T2V)
        checkpoint(own / "transitions", FLF2V)

        assert framing.of_model(spec(own, transitions="./transitions")) is Pictures.BOTH
        assert framing.of_model(spec(own, transitions=f"{own}/transitions")) is Pictures.BOTH

    def test_is_not_known_where_files_are_elsewhere_or_broken(self, tmp_path: Path) -> None:
        own = checkpoint(tmp_path / "m", T2V)
        broken = checkpoint(tmp_path / "broken", T2V)
        (broken / "model_index.json").write_text("[]")

        assert framing.of_model(spec(tmp_path / "nowhere")) is None
        assert framing.of_model(spec(own, transitions="./nowhere")) is None
        assert framing.of_model(spec(own, transitions="owner/not-in-the-cache")) is None
        assert framing.of_model(spec(broken)) is None


class TestRefusal:
    """What admission says, before anything is held."""

    @staticmethod
    def judge(model: ModelSpec, *, end_image: str | None) -> None:
        body = TransitionBody(start_image="data:image/png;base64,AAAA", end_image=end_image)
        media._require_pictures(body, model)

    def test_of_one_picture_where_two_are_needed(self, tmp_path: Path) -> None:
        model = spec(checkpoint(tmp_path / "m", FLF2V))

        with pytest.raises(InvalidRequest, match="needs an end_image"):
            self.judge(model, end_image=None)
        self.judge(model, end_image="https://example.com/end.png")

    def test_of_an_end_that_the_model_was_not_made_for(self, tmp_path: Path) -> None:
        model = spec(checkpoint(tmp_path / "m", I2V))

        with pytest.raises(InvalidRequest, match="wan takes no end_image"):
            self.judge(model, end_image="https://example.com/end.png")
        self.judge(model, end_image=None)

    def test_of_nothing_where_the_files_are_elsewhere(self, tmp_path: Path) -> None:
        self.judge(spec(tmp_path / "nowhere"), end_image=None)
