"""Journey: documents are ranked by a real cross-encoder, waited for or polled, and paid for by what was read."""

from typing import Any

from tests import schemas
from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_rerank

DOCUMENTS: list[Any] = [
    "A recipe for bread with nuts.",
    {"text": "A lighthouse shows ships a light at sea.", "id": "lighthouse", "meta": {"page": 3}},
    "The sea is cold today.",
]
BODY = {"model": "genie-tiny-rerank", "query": "Which light do ships see at sea?"}
WHOLE = BODY | {"documents": DOCUMENTS, "top_n": 2, "return_documents": True}


@needs_tiny_rerank
def test_the_best_document_comes_first_in_every_mode_and_is_paid_for_once(caller: Caller) -> None:
    quote = caller.post("/v1/jobs/quote", WHOLE).json()
    answer = caller.post("/v1/rerank", WHOLE)
    key = {"Idempotency-Key": "mine"}
    made = [caller.post("/api/v1/rerank", WHOLE | {"mode": "async"}, headers=key) for _ in range(2)]

    assert answer.status_code == 200, answer.text
    ranking = schemas.require("native", "rerank", answer.json())
    assert [one["index"] for one in ranking["results"]] == [1, 2]
    assert ranking["results"][0]["document"] == DOCUMENTS[1]
    assert ranking["results"][0]["relevance_score"] > 0.5 > ranking["results"][1]["relevance_score"]
    tokens = ranking["usage"]["prompt_tokens"]
    assert answer.headers["X-Genie-Job-Id"] == ranking["id"]
    assert [one.status_code for one in made] == [202, 202]
    assert (made[0].json()["object"], made[0].json()["id"]) == (
        "rerank.async",
        made[1].json()["id"],
    )
    polled = caller.ended(made[0].json()["id"])
    assert polled["result"]["results"] == ranking["results"]
    assert polled["usage"] == {
        "prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens
    }  # fmt: skip
    # A credit for a million tokens.
    assert polled["cost"] == quote["low"] == round(tokens * 1e-6, 6) <= quote["maximum"]
    assert caller.balance() == (2 * tokens, 0)


@needs_tiny_rerank
def test_what_cannot_be_ranked_is_refused_with_its_field(caller: Caller) -> None:
    for fields, field in (
        ({"documents": ["a"], "mode": "stream"}, "mode"),
        ({"documents": ["a"], "model": "echo"}, "model"),
        ({"documents": ["a"], "query": "the " * 257}, "query"),
        ({"documents": [" ", ""]}, "documents.1"),
    ):
        refused = caller.post("/v1/rerank", BODY | fields)
        assert refused.status_code == 400, refused.text
        assert [one["field"] for one in refused.json()["details"]] == [field]
    assert caller.jobs_count() == 0
