"""The default word list: what it refuses however it is written, and what it leaves alone."""

from pathlib import Path
from typing import Any

import pytest

from jobs import moderation


@pytest.fixture
def words(tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# a remark\nforbidden\nred herring\n\n", encoding="utf-8")
    settings.GENIE_MODERATION_WORDS = str(path)


@pytest.mark.usefixtures("words")
class TestListedWords:
    @pytest.mark.parametrize(
        "prompt",
        [
            "forbidden",
            "A FORBIDDEN lake",
            "forbidden!",
            "for\u00adbidden",  # a soft hyphen
            "f\u200borbid\u2060den",  # without width
            "förbidden",
            "a red-herring",
            "red   herring, swimming",
            "ｆｏｒｂｉｄｄｅｎ",  # noqa: RUF001 - letters of another width
        ],
    )
    def test_are_found(self, prompt: str) -> None:
        assert moderation.reason_to_refuse(prompt) is not None

    @pytest.mark.parametrize("prompt", ["unforbidden", "a red fish, a herring", "# a remark", ""])
    def test_inside_of_other_words_are_not(self, prompt: str) -> None:
        assert moderation.reason_to_refuse(prompt) is None

    def test_are_not_quoted(self) -> None:
        assert "forbidden" not in str(moderation.reason_to_refuse("forbidden"))


def test_an_empty_list_refuses_nothing(tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# nothing\n", encoding="utf-8")
    settings.GENIE_MODERATION_WORDS = str(path)

    assert moderation.reason_to_refuse("anything") is None


def test_the_shipped_list_can_be_read() -> None:
    assert moderation.reason_to_refuse("a photo of a lake") is None
    assert moderation.reason_to_refuse("CSAM") is not None


def test_another_hook_takes_its_place(settings: Any) -> None:
    settings.GENIE_MODERATION = "tests.unit.jobs.test_moderation.refuse_all"

    assert moderation.reason_to_refuse("a lake") == "Nothing is made today."


def refuse_all(_prompt: str) -> str | None:
    return "Nothing is made today."
