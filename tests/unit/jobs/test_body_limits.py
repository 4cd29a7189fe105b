"""How large a body each route takes."""

import pytest
from django.conf import settings

from jobs import body_limits

MIB = 1 << 20


@pytest.mark.parametrize(
    ("path", "at_least", "below"),
    [
        ("/v1/chat/completions", MIB, 2 * MIB),
        ("/openai/v1/chat/completions", MIB, 2 * MIB),
        ("/openai/v1/batches", MIB, 2 * MIB),
        ("/v1/embeddings", 4 * MIB, 5 * MIB),
        ("/openai/v1/embeddings", 4 * MIB, 5 * MIB),
        ("/openai/v1/files", 200 * MIB, 202 * MIB),
        ("/openai/v1/files/file-c1/content", MIB, 2 * MIB),
        ("/v1/audio/transcriptions", 25 * MIB, 27 * MIB),
        ("/openai/v1/videos", 50 * MIB, 60 * MIB),
        ("/openai/v1/videos/vidgen-c1/content", MIB, 2 * MIB),
        ("/v1/videos/transitions", 50 * MIB, 60 * MIB),
        ("/v1/jobs/quote", 50 * MIB, 60 * MIB),
    ],
)
def test_limits(path: str, at_least: int, below: int) -> None:
    assert settings.GENIE_JSON_LIMIT_BYTES == MIB
    assert at_least <= body_limits.of(path) < below
