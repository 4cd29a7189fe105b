"""What must be there before workers start, and the sentence when it is not."""

import importlib.util
from pathlib import Path

import pytest

from genie.standalone import requirements
from genie.standalone.errors import StandaloneError

TORCH_MODEL = {"id": "chat", "backend": "transformers", "source": "./checkpoints/chat"}
PICTURE_MODEL = {"id": "image", "backend": "diffusers", "source": "./checkpoints/image"}
ECHO_MODEL = {"id": "echo", "backend": "echo"}
FAR_MODEL = {"id": "far", "backend": "openai", "source": "http://gpu7:8000/v1"}


class TestCheckInference:
    def test_names_what_is_missing_and_how_to_install_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

        with pytest.raises(StandaloneError, match=r"need torch, .* run `make setup`"):
            requirements.check_inference([TORCH_MODEL])

    def test_pictures_need_more_than_texts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

        with pytest.raises(StandaloneError, match=r"need torch, .* diffusers, accelerate,"):
            requirements.check_inference([TORCH_MODEL, PICTURE_MODEL])

    def test_asks_for_nothing_when_no_model_runs_on_torch(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

        requirements.check_inference([ECHO_MODEL, FAR_MODEL])


class TestMissingCheckpoints:
    def test_finds_a_local_source_without_a_checkpoint(self, tmp_path: Path) -> None:
        (tmp_path / "checkpoints" / "chat").mkdir(parents=True)
        models = [TORCH_MODEL, ECHO_MODEL, FAR_MODEL, {"id": "hub", "source": "Qwen/Qwen3-0.6B"}]

        assert requirements.missing_checkpoints(models, tmp_path / "models.toml") == ["chat"]

    @pytest.mark.parametrize("index", ["config.json", "model_index.json"])
    def test_is_content_with_a_checkpoint(self, tmp_path: Path, index: str) -> None:
        (tmp_path / "checkpoints" / "chat").mkdir(parents=True)
        (tmp_path / "checkpoints" / "chat" / index).write_text("{}")

        assert requirements.missing_checkpoints([TORCH_MODEL], tmp_path / "models.toml") == []


class TestReadModels:
    def test_says_which_file_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(StandaloneError, match=r"Cannot read the models .*none\.toml"):
            requirements.read_models(tmp_path / "none.toml")
