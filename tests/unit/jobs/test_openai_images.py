"""Pictures as OpenAI's clients ask for them: sizes that are left to us, and base64 unasked."""

from typing import Any

import pytest

from jobs.facades.openai.bodies import OpenAIImageBody, image_fields
from jobs.intake import bodies


@pytest.mark.parametrize(
    ("asked", "size", "response_format"),
    [
        ({"model": "dall-e-3"}, "1024x1024", "url"),
        ({"model": None, "size": None}, "1024x1024", "url"),
        ({"model": "dall-e-3", "size": "auto"}, "1024x1024", "url"),
        ({"model": "gpt-image-1", "size": "1536x1024"}, "1536x1024", "b64_json"),
        ({"model": "gpt-image-1", "response_format": None}, "1024x1024", "b64_json"),
        ({"model": "gpt-image-1", "response_format": "url"}, "1024x1024", "url"),
    ],
)
def test_are_what_openai_would_make(asked: dict[str, Any], size: str, response_format: str) -> None:
    body = bodies.parse(OpenAIImageBody, image_fields({"prompt": "a lake"} | asked))

    assert (body.size, body.response_format) == (size, response_format)
