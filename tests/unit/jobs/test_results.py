"""Sync bodies have OpenAI's shapes."""

import array
import base64
import struct
from typing import Any

import pytest

from genie.core import ids
from inference.types import ChatResult, EmbeddingResult, FinishReason, RerankResult, Usage
from jobs import results
from tests import schemas
from tests.unit.jobs import views

JOB = ids.new_id()


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


class TestRanking:
    RESULT = RerankResult(scores=(0.25, 0.5, 0.25, 0.75), usage=Usage(prompt_tokens=9))

    def body(self, **changes: Any) -> dict[str, Any]:
        documents = [{"text": "a"}, {"text": "b", "id": "two"}, {"text": "c"}, {"text": "d"}]
        request = {"documents": documents, "top_n": None, "return_documents": False} | changes
        body = results.rerank_body(JOB, model="m", request=request, result=self.RESULT)
        return dict(schemas.require("native", "rerank", body))

    def test_has_the_best_first_and_equals_in_their_order(self) -> None:
        assert self.body() == {
            "id": f"rerank-{ids.bare(JOB)}",
            "object": "rerank",
            "model": "m",
            "results": [
                {"index": 3, "relevance_score": 0.75},
                {"index": 1, "relevance_score": 0.5},
                {"index": 0, "relevance_score": 0.25},
                {"index": 2, "relevance_score": 0.25},
            ],
            "usage": {"prompt_tokens": 9, "total_tokens": 9},
        }

    @pytest.mark.parametrize(("top_n", "places"), [(1, [3]), (3, [3, 1, 0]), (9, [3, 1, 0, 2])])
    def test_has_as_many_as_are_wanted(self, top_n: int, places: list[int]) -> None:
        assert [one["index"] for one in self.body(top_n=top_n)["results"]] == places

    def test_brings_documents_along_as_they_were_sent(self) -> None:
        found = self.body(top_n=2, return_documents=True)["results"]

        assert [one["document"] for one in found] == [{"text": "d"}, {"text": "b", "id": "two"}]


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
