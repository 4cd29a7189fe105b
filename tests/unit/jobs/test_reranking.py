"""What a body for reranking may say, what it may cost at most, and what the engine is given."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from inference.backends.tiny import build
from inference.specs import ModelSpec
from inference.types import Modality, RerankRequest
from jobs import work
from jobs.facades.genie import quoting
from jobs.intake import bodies, reranking
from jobs.intake.reranking import RerankBody
from jobs.states import JobKind
from tests.unit.inference.specs import echo_spec
from tests.unit.jobs.test_running import Attempt

ECHO = echo_spec(modality=Modality.RERANK, context_tokens=20)
TINY = dataclasses.replace(
    ECHO, backend="transformers", source=str(build.CHECKPOINTS / build.RERANK)
)
WORDS = "a " * 11
NOWHERE = dataclasses.replace(TINY, source=str(Path("/nowhere")))


def body(**fields: Any) -> RerankBody:
    return bodies.parse(RerankBody, {"model": "m", "query": "a b", "documents": ["c d"]} | fields)


def work_of(spec: ModelSpec = ECHO, **fields: Any) -> Any:
    return asyncio.run(reranking.work_of(body(**fields), spec))


class TestBody:
    def test_takes_documents_as_texts_or_objects(self) -> None:
        made = work_of(documents=["a", {"text": "b", "id": "x", "meta": {}, "more": 1}])

        assert made.request["documents"] == [{"text": "a"}, {"text": "b", "id": "x", "meta": {}}]

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"query": ""}, "query"),
            ({"query": None}, "query"),
            ({"documents": []}, "documents"),
            ({"documents": "a"}, "documents"),
            ({"documents": ["a"] * 1001}, "documents"),
            ({"documents": ["a", ""]}, "documents.1"),
            ({"documents": [5]}, "documents.0"),
            ({"documents": [{"id": "x"}]}, "documents.0.text"),
            ({"documents": [{"text": ""}]}, "documents.0.text"),
            ({"top_n": 0}, "top_n"),
            ({"top_n": "1"}, "top_n"),
            ({"return_documents": 1}, "return_documents"),
            ({"max_tokens_per_doc": 0}, "max_tokens_per_doc"),
        ],
    )
    def test_names_what_is_wrong(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            body(**fields)

        details: Any = caught.value.extra["details"]
        assert [one["field"] for one in details] == [field]


class TestWork:
    def test_holds_a_bound_of_all_pairs(self) -> None:
        made = work_of(documents=["c d", "e" * 100])

        assert (made.kind, made.prompt_tokens) == (JobKind.RERANK, (3 + 3) + 20)

    @pytest.mark.parametrize("spec", [ECHO, TINY], ids=["echo", "tiny"])
    def test_refuses_a_query_of_more_than_half_the_context(self, spec: ModelSpec) -> None:
        with pytest.raises(
            InvalidRequest, match=r"query.* has 11 tokens; .* at most 10 of a query"
        ):
            work_of(spec, query=WORDS[:21])

        assert work_of(spec, query=WORDS[:19]).prompt_tokens <= 20

    def test_leaves_it_to_the_worker_where_no_tokenizer_is_here(self) -> None:
        assert work_of(NOWHERE, query=WORDS[:21]).prompt_tokens == 20

    @pytest.mark.parametrize("spec", [ECHO, TINY], ids=["echo", "tiny"])
    def test_is_counted_for_a_quote(self, spec: ModelSpec) -> None:
        made = work_of(spec, documents=["c d", "e " * 100])

        counted = quoting._count(made)

        assert 0 < counted <= made.prompt_tokens

    def test_is_what_the_engine_is_given(self) -> None:
        made = work_of(documents=["c", {"text": "d"}], max_tokens_per_doc=3)
        claimed = Attempt(kind=JobKind.RERANK, request=made.request).job.claimed

        request = work.request_of(claimed)

        assert isinstance(request, RerankRequest)
        assert (request.query, request.documents, request.document_tokens) == (
            "a b", ("c", "d"), 3
        )  # fmt: skip
