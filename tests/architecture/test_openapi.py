"""The description of the API says what the code does, all of it, and is the one that is committed."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from rest_framework import serializers

from genie.core import strict_json
from genie.core.describing import Body, Contract, Operation
from genie.openapi import contracts
from genie.openapi.contracts import MANAGEMENT, Described, Undescribed
from genie.openapi.views import DOCUMENT
from jobs import mounts
from jobs.facades.genie import quoting
from jobs.intake import bodies

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(json.loads(DOCUMENT.read_text("utf-8")))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def described() -> list[Described]:
    managed = [
        Described(key.split(" ")[0], key.split(" ")[1], contract, operation)
        for contract in MANAGEMENT
        for key, operation in contract.operations.items()
    ]
    return [*contracts.mounted(), *managed]


ALL = described()
WITH_BODIES = [one for one in ALL if one.operation.body is not None]


def test_the_committed_document_is_what_the_code_says() -> None:
    made = SchemaGenerator().get_schema(request=None, public=True)
    rendered = OpenApiJsonRenderer().render(made, renderer_context={})

    assert rendered == DOCUMENT.read_bytes(), "run `make openapi`, and review what has changed"


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    problems = [one.message for one in OpenAPIV31SpecValidator(document).iter_errors()]

    assert document["openapi"].startswith("3.1")
    assert problems == []


def test_every_route_is_described_and_every_description_has_a_route(
    document: dict[str, Any],
) -> None:
    assert {name for name, _ in operations(document)} == {f"{one.method} {one.path}" for one in ALL}


def test_a_route_without_a_description_is_an_error() -> None:
    contract = Contract(tags={"Test": ""}, operations={})

    with pytest.raises(Undescribed, match="GET /v1/new has no description"):
        list(contracts.described(contract, [("GET", "/v1/new")]))


def test_a_description_without_a_route_is_an_error() -> None:
    operation = Operation(id="old", summary="Old", answers={})
    contract = Contract(tags={"Test": ""}, operations={"GET /v1/old": operation})

    with pytest.raises(Undescribed, match="GET /v1/old"):
        list(contracts.described(contract, []))


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = Counter(operation["operationId"] for _, operation in operations(document))

    assert [name for name, count in names.items() if count > 1] == []


def test_every_contract_has_a_tag_that_is_explained(document: dict[str, Any]) -> None:
    explained = {tag["name"] for tag in document["tags"] if tag["description"]}
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}

    assert used == explained
    assert len(explained) >= len(mounts.MOUNTS) + 2


def test_every_answer_has_the_id_of_its_request(document: dict[str, Any]) -> None:
    answers = [
        (name, status, answer)
        for name, operation in operations(document)
        for status, answer in operation["responses"].items()
    ]
    shared = document["components"]["responses"].items()
    answers += [("", name, answer) for name, answer in shared]

    assert [
        (name, status)
        for name, status, answer in answers
        if "$ref" not in answer and "X-Request-Id" not in answer["headers"]
    ] == []


def test_every_refusal_of_a_contract_is_in_its_envelope(document: dict[str, Any]) -> None:
    envelopes = {
        name: answer["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        for name, answer in document["components"]["responses"].items()
    }

    assert set(envelopes.values()) == {
        *("NativeError", "OpenaiError", "BifrostError", "InferenceNetError", "OxenError"),
    }
    assert all(name.startswith(which.removesuffix("Error")) for name, which in envelopes.items())


def test_a_quote_names_the_routes_that_it_knows(document: dict[str, Any]) -> None:
    route = document["components"]["schemas"]["NativeQuotedBody"]["properties"]["route"]

    assert route["enum"] == list(quoting.ROUTES)


@pytest.mark.parametrize("one", WITH_BODIES, ids=lambda one: one.operation.id)
def test_an_example_is_taken_by_what_parses_the_route(one: Described) -> None:
    body = one.operation.body
    assert body is not None

    if isinstance(body.schema, str):
        return  # its fields are judged one by one; the acceptance test sends it
    _parse(body)


def _parse(body: Body) -> None:
    assert isinstance(body.schema, type)
    if issubclass(body.schema, BaseModel):
        bodies.parse(body.schema, body.example)
        return
    assert issubclass(body.schema, serializers.Serializer)
    partial = "name" not in body.example  # a change names what it changes
    sent = strict_json.decode_object(json.dumps(body.example).encode(), fraction=strict_json.exact)
    body.schema(data=sent, partial=partial).is_valid(raise_exception=True)


@pytest.mark.parametrize("one", WITH_BODIES, ids=lambda one: one.operation.id)
def test_an_example_is_what_the_document_describes(
    one: Described, document: dict[str, Any]
) -> None:
    content = document["paths"][one.path][one.method.lower()]["requestBody"]["content"]

    for media_type in content.values():
        example = media_type["examples"]["usual"]["value"]
        files = dict.fromkeys(one.operation.body.required_files, "") if one.operation.body else {}
        schema = {**media_type["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(example | files)


class TestServing:
    """The document and its page, as a browser gets them."""

    def test_the_document_is_served_as_it_is_committed(self) -> None:
        answer = Client().get("/openapi.json")

        assert answer.status_code == 200
        assert answer.content == DOCUMENT.read_bytes()
        assert answer.headers["Content-Type"] == "application/json"

    def test_who_has_it_is_not_sent_it_again(self) -> None:
        etag = Client().get("/openapi.json").headers["ETag"]

        answer = Client().get("/openapi.json", headers={"If-None-Match": etag})

        assert answer.status_code == 304

    def test_the_page_needs_nothing_from_elsewhere_and_no_inline_script(self) -> None:
        answer = Client().get("/docs/api")

        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        text = answer.content.decode()
        assert "//" not in text.replace("<!--", "")
        assert "<style" not in text
        assert "<script>" not in text

    @pytest.mark.parametrize("path", ["/openapi.json", "/docs/api"])
    def test_another_method_is_refused_in_json(self, path: str) -> None:
        answer = Client().post(path)

        assert answer.status_code == 405
        assert answer.json()["code"] == "method-not-allowed"
        assert answer.headers["Allow"] == "GET, HEAD"
