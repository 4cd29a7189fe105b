"""Which forms the playground offers for which models."""

import doctest
from collections.abc import Sequence

import pytest

from genie.console import modalities
from genie.console.templatetags import console
from inference.types import Modality
from tests.unit.inference.specs import echo_spec


def keys_of(modality: Modality, capabilities: Sequence[str] = ()) -> list[str]:
    model = echo_spec("one", modality=modality, capabilities=tuple(capabilities))
    return [shape.key for shape in modalities.offered([model])]


class TestOffered:
    @pytest.mark.parametrize(
        ("modality", "capabilities", "keys"),
        [
            (Modality.RERANK, (), ["rerank"]),
            (Modality.CHAT, ("stream",), ["chat"]),
            (Modality.AUDIO, ("speech", "seed"), ["speech"]),
            (Modality.AUDIO, ("seed",), ["speech", "transcription"]),
            (Modality.VIDEO, ("generation", "transition"), ["video", "transition"]),
        ],
    )
    def test_is_what_the_models_are_for(
        self, modality: Modality, capabilities: Sequence[str], keys: list[str]
    ) -> None:
        assert keys_of(modality, capabilities) == keys

    def test_chooses_the_usual_model_where_it_is_there_and_else_the_first(self) -> None:
        others = [echo_spec("one"), echo_spec("two", aliases=("lite",))]

        assert modalities.offered(others)[0].model == "lite"
        assert modalities.offered(others[:1])[0].model == "one"


def test_an_unknown_form_is_the_first_that_is_offered() -> None:
    shapes = modalities.offered([echo_spec("one", modality=Modality.RERANK)])

    assert modalities.named("chat", shapes).key == "rerank"


def test_documentation_shows_what_is_true() -> None:
    assert doctest.testmod(modalities) == (0, 1)
    assert doctest.testmod(console).failed == 0
