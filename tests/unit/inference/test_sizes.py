"""What a checkpoint's files say about the memory that the model will need."""

import json
import math
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from inference import files, sizes
from inference.specs import ModelSpec
from tests.unit.inference.specs import echo_spec

CONFIG = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 32,
}
# Numbers of one token: keys and values of 2 layers and 2 heads of width 8; one layer's, for each
# of 4 heads; a column of the mask for each token of a pass.
STORED, READ, PASS_CPU, PASS_CUDA = 2 * 2 * 2 * 8, (2 * 4 + 2) * 8, 512, 2048


def write_tensors(path: Path, **tensors: tuple[str, list[int]]) -> None:
    """Write a safetensors file of zeros."""
    item = {"BF16": 2, "F32": 4, "I64": 8, "U8": 1}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + item[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    write_tensors(tmp_path / "model.safetensors", a=("BF16", [10, 10]), b=("I64", [3]))
    return tmp_path


def spec(source: Path | str, **options: Any) -> ModelSpec:
    return echo_spec("m", backend="transformers", source=str(source), options=options)


class TestEstimate:
    @pytest.mark.parametrize(
        ("options", "on_cuda", "item"),
        [
            ({}, False, 4),
            ({}, True, 2),
            ({"dtype": "bfloat16"}, False, 2),
            ({"device": "cpu"}, True, 4),
            ({"dtype": "float32", "device": "cuda"}, True, 4),
        ],
    )
    def test_counts_floats_in_the_format_of_the_model(
        self, *, checkpoint: Path, options: dict[str, str], on_cuda: bool, item: int
    ) -> None:
        limited = {**options, "cache_gib": 0}

        found = sizes.estimate_bytes(spec(checkpoint, **limited), on_cuda=on_cuda)

        assert found == 100 * item + 3 * 8

    def test_adds_the_cache_of_all_slots(self, checkpoint: Path) -> None:
        found = sizes.estimate_bytes(spec(checkpoint), on_cuda=False)

        assert found == 100 * 4 + 24 + 4 * 200 * (STORED + READ + PASS_CPU) * 4

    def test_on_cuda_asks_for_the_cache_of_one_request(self, checkpoint: Path) -> None:
        found = sizes.estimate_bytes(spec(checkpoint), on_cuda=True)

        assert found == 100 * 2 + 24 + 200 * (STORED + READ + PASS_CUDA) * 2

    def test_a_pipeline_counts_its_parts_once(self, tmp_path: Path) -> None:
        (tmp_path / "model_index.json").write_text("{}")
        write_tensors(tmp_path / "all_in_one.safetensors", a=("F32", [99]))
        write_tensors(tmp_path / "unet" / "model.safetensors", a=("F32", [7]))
        write_tensors(tmp_path / "unet" / "model.fp16.safetensors", a=("F32", [7]))
        write_tensors(tmp_path / "vae" / "model.safetensors", a=("U8", [5]))

        assert sizes.estimate_bytes(spec(tmp_path), on_cuda=False) == 7 * 4 + 5

    @pytest.mark.parametrize("source", ["", "owner/model-that-is-not-here", "/nowhere"])
    def test_does_not_know_what_is_not_here(self, source: str) -> None:
        assert sizes.estimate_bytes(spec(source), on_cuda=False) == 0

    def test_does_not_know_a_damaged_file(self, checkpoint: Path) -> None:
        (checkpoint / "model.safetensors").write_bytes(b"no")

        assert sizes.estimate_bytes(spec(checkpoint), on_cuda=False) == 0


class TestHeader:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "cut off"),
            (b"\xff" * 20, "cut off"),
            ((2).to_bytes(8, "little") + b"no", "not readable"),
            ((2).to_bytes(8, "little") + b"[]", "no table"),
            ((2).to_bytes(8, "little") + b"{}too long", "its header says 10"),
        ],
    )
    def test_says_what_is_wrong_with_a_file(
        self, tmp_path: Path, content: bytes, message: str
    ) -> None:
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)

        with pytest.raises(ValueError, match=message):
            files.header_of(path)


def test_a_hub_id_is_looked_up_in_the_cache_alone(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def cached(source: str, name: str, *, revision: str | None) -> str | None:
        asked.append((source, name, revision))
        return str(checkpoint / name) if name == "config.json" else None

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    hub = echo_spec("m", backend="transformers", source="owner/model", revision="abc")

    assert files.directory_of(hub) == checkpoint
    assert asked == [("owner/model", "config.json", "abc")]


def test_pickles_are_found_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.BIN").touch()
    (tmp_path / "config.json").touch()

    assert [path.name for path in files.pickles_in(tmp_path)] == ["weights.BIN"]
