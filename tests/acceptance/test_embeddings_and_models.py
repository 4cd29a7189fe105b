"""Journeys: vectors for texts, and what models there are."""

import base64
import math
import struct
from typing import Any

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.models_file import TINY, needs_tiny_embedding

PREFIXES = pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])


@PREFIXES
def test_embeddings_answer_with_openais_list(caller: Caller, prefix: str) -> None:
    answer = caller.post(
        f"{prefix}/embeddings", {"model": "echo-embedding", "input": ["one two", "three"]}
    )

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["object"] == "list"
    assert body["model"] == "echo-embedding"
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [(one["object"], one["index"]) for one in body["data"]] == [
        ("embedding", 0),
        ("embedding", 1),
    ]
    assert all(len(one["embedding"]) == 64 for one in body["data"])
    assert all(_length(one["embedding"]) == pytest.approx(1, abs=1e-4) for one in body["data"])


def test_base64_carries_the_same_floats(caller: Caller) -> None:
    body = {"model": "echo-embedding", "input": "one two", "dimensions": 16}
    floats = caller.post("/v1/embeddings", body).json()["data"][0]["embedding"]
    encoded = caller.post("/v1/embeddings", body | {"encoding_format": "base64"}).json()
    raw = base64.b64decode(encoded["data"][0]["embedding"])
    assert struct.unpack("<16f", raw) == pytest.approx(floats)


def test_as_many_inputs_as_may_be_have_a_kilobyte_each(caller: Caller) -> None:
    body = {"model": "echo-embedding", "input": ["x" * 1000] * 2048, "dimensions": 1}

    answer = caller.post("/v1/embeddings", body)

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 2048


def test_token_ids_are_inputs_too(caller: Caller) -> None:
    for given, count in (([1, 2, 3], 1), ([[1, 2], [3]], 2)):
        answer = caller.post("/v1/embeddings", {"model": "echo-embedding", "input": given})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["data"]) == count
        assert answer.json()["usage"]["prompt_tokens"] == 3


@needs_tiny_embedding
@pytest.mark.parametrize(
    ("fields", "field"),
    [({"input": [99999]}, "input.0"), ({"input": "one", "dimensions": 200}, "dimensions")],
)
def test_what_the_model_cannot_make_is_refused_before_it_is_a_job(
    caller: Caller, fields: dict[str, Any], field: str
) -> None:
    answer = caller.post("/v1/embeddings", {"model": "genie-tiny-embedding"} | fields)

    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["details"]] == [field]


def test_async_embeddings_keep_the_sync_body_as_their_result(caller: Caller) -> None:
    body = {"model": "echo-embedding", "input": ["one two"]}
    accepted = caller.post("/v1/embeddings", body | {"mode": "async"})
    assert accepted.status_code == 202, accepted.text
    assert accepted.json()["object"] == "embedding.async"
    assert accepted.json()["id"].startswith("emb-c")

    job = caller.ended(accepted.json()["id"])
    assert job["status"] == "completed"
    assert job["result"] == caller.post("/v1/embeddings", body).json()


def test_embeddings_do_not_stream(caller: Caller) -> None:
    answer = caller.post(
        "/v1/embeddings", {"model": "echo-embedding", "input": "x", "mode": "stream"}
    )
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "mode"


@needs_tiny_embedding
def test_the_torch_model_puts_like_beside_like(caller: Caller) -> None:
    texts = ["The cat sleeps on the sofa.", "A cat is sleeping on the couch.", "7 plus 5 is 12."]
    answer = caller.post("/v1/embeddings", {"model": "genie-tiny-embedding", "input": texts})
    assert answer.status_code == 200, answer.text
    cat, couch, _ = (one["embedding"] for one in answer.json()["data"])
    assert _length(cat) == pytest.approx(1, abs=1e-3)
    assert len(cat) == len(couch) > 8
    again = caller.post("/v1/embeddings", {"model": "genie-tiny-embedding", "input": texts[0]})
    assert again.json()["data"][0]["embedding"] == pytest.approx(cat, abs=1e-4)


@PREFIXES
def test_models_are_listed_with_what_a_chooser_needs(caller: Caller, prefix: str) -> None:
    caller.chat()  # so that echo is in a worker's memory
    answer = caller.get(f"{prefix}/models")
    assert answer.status_code == 200
    assert answer.json()["object"] == "list"
    models = {model["id"]: model for model in answer.json()["data"]}
    expected = {"echo", "echo-slow", "echo-broken", "echo-small", "echo-embedding", "echo-dear"}
    assert expected | set(TINY) <= set(models)
    echo = models["echo"]
    assert echo["object"] == "model"
    assert echo["modality"] == "chat"
    assert echo["aliases"] == ["parrot"]
    assert "stream" in echo["capabilities"]
    assert echo["pricing"]["prompt_per_million"] == 100
    assert models["echo-broken"]["loaded"] is False
    assert set(echo["loaded_on"]) <= {"a", "b"}  # entries of the topology: no host, no process
    assert all(isinstance(model["created"], int) for model in models.values())


def test_one_model_by_id_and_by_alias(caller: Caller) -> None:
    assert caller.get("/v1/models/echo").json()["id"] == "echo"
    assert caller.get("/v1/models/parrot").json()["id"] == "echo"
    missing = caller.get("/v1/models/gpt-4o")
    assert (missing.status_code, missing.json()["code"]) == (404, "model-not-found")


def _length(vector: list[float]) -> float:
    return math.sqrt(sum(number * number for number in vector))
