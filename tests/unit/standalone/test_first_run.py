"""The first jobs are shown of a model that is there."""

from typing import Any

import pytest

from genie.standalone import first_run
from genie.standalone.client import Answer, Client
from genie.standalone.errors import StandaloneError


def model(name: str, *, modality: str = "chat", loaded: bool = False, **more: Any) -> Any:
    return {"id": name, "modality": modality, "loaded": loaded, "aliases": [], **more}


def chosen(monkeypatch: pytest.MonkeyPatch, *models: Any, status: int = 200) -> str | None:
    answer = Answer(status=status, body={"data": list(models)})
    monkeypatch.setattr(Client, "get", lambda *_, **__: answer)
    return first_run.chat_model(Client(host="127.0.0.1", port=1))


@pytest.mark.parametrize("named", [{"name": "lite"}, {"name": "tiny", "aliases": ["lite"]}])
def test_lite_goes_before_others(monkeypatch: pytest.MonkeyPatch, named: Any) -> None:
    assert chosen(monkeypatch, model("big", loaded=True), model(**named)) == "lite"


def test_without_it_a_chat_model_that_is_loaded_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(
        monkeypatch,
        model("pictures", modality="image", loaded=True),
        model("slow"),
        model("there", loaded=True),
    )

    assert found == "there"


def test_of_models_that_nobody_has_loaded_the_first_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(monkeypatch, model("one"), model("two")) == "one"


def test_without_a_chat_model_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, model("pictures", modality="image")) is None


def test_a_system_that_does_not_say_is_no_system_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(StandaloneError, match="503"):
        chosen(monkeypatch, status=503)
