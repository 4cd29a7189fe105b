"""Results in Bifrost's shape: the body of the synchronous endpoint, as JSON and without nulls. Pure."""

from collections.abc import Mapping
from typing import Any

from jobs.states import JobKind


def result(
    kind: JobKind, native: Mapping[str, Any], *, model: str, audio: str | None, parts: int
) -> dict[str, Any]:
    """Return the result of a completed job.

    Args:
        kind: The job's.
        native: Its result as the row has it.
        model: The model that served.
        audio: For speech, the file in base64, unless the row has it.
        parts: For speech, the characters that were spoken.
    """
    match kind:
        case JobKind.SPEECH:
            return _speech(native, audio=audio, characters=parts)
        case JobKind.IMAGE:
            return _images(native, model=model)
        case JobKind.RESPONSE:
            return _response(native)
        case _:
            return {name: _bare(value) for name, value in native.items() if value is not None}


def _speech(native: Mapping[str, Any], *, audio: str | None, characters: int) -> dict[str, Any]:
    """Return the sound; a character stands for a token, for it is what speech is counted in."""
    return {
        "audio": audio if audio is not None else native.get("audio", ""),
        "usage": {"input_tokens": characters, "output_tokens": 0, "total_tokens": characters},
    }


def _images(native: Mapping[str, Any], *, model: str) -> dict[str, Any]:
    data = [{**_bare(one), "index": index} for index, one in enumerate(native.get("data", ()))]
    return {"created": native.get("created", 0), "model": model, "data": data}


def _response(native: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response; the schema has no text for ``instructions``, so they are left out."""
    return {
        name: _bare(value)
        for name, value in native.items()
        if value is not None and name != "instructions"
    }


def _bare(value: Any) -> Any:
    """Return a value without members that are null, however deep."""
    if isinstance(value, Mapping):
        return {name: _bare(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_bare(one) for one in value]
    return value
