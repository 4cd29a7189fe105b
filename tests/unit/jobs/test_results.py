"""Sync bodies have OpenAI's shapes."""

import array
import base64
import struct

from genie.core import ids
from inference.types import ChatResult, EmbeddingResult, FinishReason, Usage
from jobs import results
from tests.unit.jobs import views


class TestChat:
    def test_has_the_sync_shape(self) -> None:
        job_id = ids.new_id()
        result = ChatResult(
            text="Hello",
            finish_reason=FinishReason.LENGTH,
            usage=Usage(prompt_tokens=3, completion_tokens=2),
        )

        body = results.chat_body(job_id, model="m", created_at=views.CREATED, result=result)

        assert body == {
            "id": f"chatcmpl-{ids.bare(job_id)}",
            "object": "chat.completion",
            "created": int(views.CREATED.timestamp()),
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello"},
                    "finish_reason": "length",
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }


class TestEmbeddings:
    RESULT = EmbeddingResult(
        vectors=(array.array("f", [0.5, -1.0]), array.array("f", [1.0, 0.25])),
        usage=Usage(prompt_tokens=4),
    )

    def test_are_numbers(self) -> None:
        body = results.embedding_body(model="m", encoding="float", result=self.RESULT)

        assert body["data"][1] == {"object": "embedding", "index": 1, "embedding": [1.0, 0.25]}
        assert body["usage"] == {"prompt_tokens": 4, "total_tokens": 4}

    def test_are_little_endian_floats_in_base64_where_asked(self) -> None:
        body = results.embedding_body(model="m", encoding="base64", result=self.RESULT)

        raw = base64.b64decode(body["data"][0]["embedding"])
        assert struct.unpack("<2f", raw) == (0.5, -1.0)
