"""The system check of the models file."""

from pathlib import Path

import pytest

from inference import checks


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    return tmp_path / "models.toml"


TEXT = """
[[models]]
id = "m"
modality = "chat"
backend = "transformers"
source = "./model"
context_tokens = 10
max_output_tokens = 5
price = { version = "1", prompt = 0, completion = 0 }
"""


@pytest.mark.parametrize("index", ["config.json", "model_index.json"])
def test_a_right_file_has_no_messages(models_file: Path, index: str) -> None:
    models_file.write_text(TEXT)
    (models_file.parent / "model").mkdir()
    (models_file.parent / "model" / index).write_text("{}")

    assert checks.messages_for(models_file) == []


def test_a_mistake_is_an_error(models_file: Path) -> None:
    models_file.write_text(TEXT.replace("10", "0"))

    (message,) = checks.messages_for(models_file)

    assert message.id == "inference.E001"
    assert "context_tokens is 0" in message.msg


def test_a_missing_checkpoint_is_a_warning_that_says_what_to_do(models_file: Path) -> None:
    models_file.write_text(TEXT)

    (message,) = checks.messages_for(models_file)

    assert message.id == "inference.W001"
    assert message.hint is not None
    assert "build_models" in message.hint
