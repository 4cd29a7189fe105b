"""What is wrong with the files of a model, in sentences to act on."""

import hashlib
import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from inference import downloads, inspection
from inference.specs import ModelSpec
from inference.types import Modality
from tests.unit.inference.specs import echo_spec
from tests.unit.inference.test_sizes import write_tensors


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    write_tensors(directory / "model.safetensors", a=("F32", [4]))
    (directory / "config.json").write_text(json.dumps({"max_position_embeddings": 500}))
    (directory / "tokenizer.json").write_text("{}")
    (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": "x"}))
    return directory


def spec(directory: Path | str, **changes: Any) -> ModelSpec:
    return echo_spec("m", backend="transformers", source=str(directory), **changes)


def problems(directory: Path, **changes: Any) -> list[str]:
    return list(inspection.inspect(spec(directory, **changes)).problems)


class TestInspect:
    def test_a_whole_checkpoint_is_well(self, checkpoint: Path) -> None:
        found = inspection.inspect(spec(checkpoint), hashes=True)

        assert (found.directory, found.problems, found.remarks) == (checkpoint, (), ())
        assert found.weight_bytes > 16

    @pytest.mark.parametrize(
        ("source", "sentence"),
        [
            ("/nowhere", "nothing is in /nowhere; place the files there"),
            (
                "owner/not-here",
                "owner/not-here is not on this machine; fetch it with `models pull m`",
            ),
        ],
    )
    def test_says_that_nothing_is_there(self, source: str, sentence: str) -> None:
        (problem,) = inspection.inspect(spec(source)).problems

        assert problem.startswith(sentence)

    def test_finds_damaged_and_missing_weights(self, checkpoint: Path) -> None:
        weights = checkpoint / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
        index = {"weight_map": {"a": "model.safetensors", "b": "second.safetensors"}}
        (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))

        found = problems(checkpoint)

        assert [one.partition(" is ")[0] for one in found] == [
            "model.safetensors",
            "second.safetensors",
        ]

    @pytest.mark.parametrize(
        ("remove", "sentence"),
        [
            ("model.safetensors", "there is no *.safetensors file"),
            ("tokenizer.json", "it has no tokenizer"),
            ("tokenizer_config.json", "it has no chat template"),
        ],
    )
    def test_names_what_is_missing(self, checkpoint: Path, remove: str, sentence: str) -> None:
        (checkpoint / remove).unlink()

        assert [one.startswith(sentence) for one in problems(checkpoint)] == [True]

    def test_an_entry_may_not_promise_more_than_the_checkpoint_knows(
        self, checkpoint: Path
    ) -> None:
        (problem,) = problems(checkpoint, context_tokens=501)

        assert problem == (
            "context_tokens is 501, and the checkpoint knows 500 positions; lower context_tokens."
        )

    @pytest.mark.parametrize(
        ("config", "sentence"),
        [
            ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "x"}}, None),
            ({"architectures": ["BertForSequenceClassification"]}, "it tells 2 labels apart"),
            ({"architectures": ["BertModel"], "id2label": {"0": "x"}}, "its config.json names no"),
            ({}, "its config.json names no"),
        ],
    )
    def test_a_reranker_has_one_score(
        self, checkpoint: Path, config: dict[str, Any], sentence: str | None
    ) -> None:
        (checkpoint / "config.json").write_text(json.dumps(config))

        found = problems(checkpoint, modality=Modality.RERANK)

        assert [one[: len(sentence or "")] for one in found] == (
            [] if sentence is None else [sentence]
        )

    def test_a_file_that_is_not_json_is_named(self, checkpoint: Path) -> None:
        (checkpoint / "config.json").write_text("{")

        assert problems(checkpoint)[0].startswith("config.json is not readable as JSON")

    def test_pickles_are_remarked_on(self, checkpoint: Path) -> None:
        (checkpoint / "pytorch_model.bin").touch()

        found = inspection.inspect(spec(checkpoint))

        assert found.problems == ()
        assert "pytorch_model.bin could run code" in found.remarks[0]

    def test_hashes_are_those_that_the_hubs_cache_names(
        self, checkpoint: Path, tmp_path: Path
    ) -> None:
        weights = checkpoint / "model.safetensors"
        whole = tmp_path / hashlib.sha256(weights.read_bytes()).hexdigest()
        weights.rename(whole)
        weights.symlink_to(whole)
        well = inspection.inspect(spec(checkpoint), hashes=True).problems
        broken = tmp_path / ("0" * 64)
        whole.rename(broken)
        weights.unlink()
        weights.symlink_to(broken)

        found = inspection.inspect(spec(checkpoint), hashes=True).problems

        assert well == ()
        assert found == ("model.safetensors is not what was downloaded. Remove and pull it.",)


class TestPull:
    def test_without_the_hub_it_is_one_sentence(self) -> None:
        with pytest.raises(downloads.PullFailed, match="The hub cannot be reached for owner/model"):
            downloads.pull(spec("owner/model"))  # the tests run with HF_HUB_OFFLINE

    def test_a_directory_has_nothing_to_pull(self, checkpoint: Path) -> None:
        with pytest.raises(downloads.PullFailed, match="placed by hand; there is nothing to pull"):
            downloads.pull(spec(checkpoint))

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (OSError(28, "No space left on device"), "could not be stored: No space left"),
            (errors.OfflineModeIsEnabled(), "cannot be reached"),
            (RuntimeError("x"), r"could not be downloaded \(RuntimeError\); try again"),
        ],
    )
    def test_each_failure_has_its_sentence(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
    ) -> None:
        def fail(*_: object, **__: object) -> str:
            raise error

        monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)

        with pytest.raises(downloads.PullFailed, match=sentence):
            downloads.pull(spec("owner/model"))
