"""From a description to an operation of OpenAPI."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from genie.core.describing import EVENTS, FORM, JSON, Answer, Body, Contract, Operation, Parameter
from genie.openapi.components import Components, typed
from genie.openapi.shared import HEADERS, STATUSES

_TEXTUAL = ("text/", JSON, "application/problem+json")


class Renderer:
    """Renders the operations of contracts into one document's parts."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self.responses: dict[str, Any] = {}

    def operation(self, contract: Contract, path: str, described: Operation) -> dict[str, Any]:
        """Return an operation; its request body is absent where a serializer describes it."""
        rendered: dict[str, Any] = {
            "operationId": described.id,
            "summary": described.summary,
            "tags": [described.tag or contract.tag],
        }
        if described.description or described.scope:
            rendered["description"] = _described(described)
        if parameters := [*_of_path(contract, path), *map(_parameter, described.parameters)]:
            rendered["parameters"] = parameters
        if described.body is not None and not _is_serializer(described.body.schema):
            rendered["requestBody"] = self._body(described.body)
        rendered["responses"] = self._responses(contract, described)
        rendered["security"] = _security(contract, described)
        return rendered

    def _body(self, body: Body) -> dict[str, Any]:
        schema: dict[str, Any] = self._schema(body.schema)
        content: dict[str, Any] = {}
        for media_type in body.media_types:
            form = media_type == FORM
            whole = self._form(schema, body) if form else _requiring(schema, body)
            content[media_type] = {"schema": whole, **example(body)}
        return {"required": True, "content": content}

    def _form(self, reference: Mapping[str, Any], body: Body) -> dict[str, Any]:
        """Return a form's schema in one piece, so that tools find its files."""
        schema = self.components.schemas[reference["$ref"].rsplit("/", 1)[-1]]
        files = {
            name: {"type": "string", "format": "binary", "description": what}
            for name, what in body.files.items()
        }
        required = [*schema.get("required", ()), *body.required_files, *body.required]
        return {
            **schema,
            "properties": {**schema["properties"], **files},
            "required": list(dict.fromkeys(required)),
        }

    def _schema(self, schema: type | str) -> dict[str, Any]:
        if isinstance(schema, str):
            return dict(self.components.answer(schema))
        assert issubclass(schema, BaseModel)  # noqa: S101 - serializers went another way
        return dict(self.components.request(schema))

    def _responses(self, contract: Contract, described: Operation) -> dict[str, Any]:
        found = {str(status): self._answer(one) for status, one in described.answers.items()}
        for status in sorted(described.refusals):
            if str(status) not in found:
                found[str(status)] = self._refusal(contract, status)
        return dict(sorted(found.items()))

    def _answer(self, answer: Answer) -> dict[str, Any]:
        rendered: dict[str, Any] = {
            "description": answer.description,
            "headers": _headers("X-Request-Id", *answer.headers),
        }
        if answer.content:
            rendered["content"] = {
                media_type: self._content(media_type, name)
                for media_type, name in answer.content.items()
            }
        return rendered

    def _content(self, media_type: str, name: str | None) -> dict[str, Any]:
        if media_type == EVENTS:
            return {"schema": _event(self.components.answer(name) if name else {})}
        if name is not None:
            return {"schema": self.components.answer(name)}
        return {"schema": {"type": "string"}} if media_type.startswith(_TEXTUAL) else {}

    def _refusal(self, contract: Contract, status: int) -> dict[str, str]:
        """Return the reference to how a contract refuses with a status."""
        title = f"{_title(contract.error)}{status}"
        self.responses.setdefault(
            title,
            {
                "description": contract.statuses.get(status, STATUSES[status].description),
                "headers": _headers("X-Request-Id", *STATUSES[status].headers),
                "content": {JSON: {"schema": self.components.answer(contract.error)}},
            },
        )
        return {"$ref": f"#/components/responses/{title}"}


def example(body: Body) -> dict[str, Any]:
    """Return a body's example as media types have it."""
    return {"examples": {"usual": {"value": body.example}}} if body.example else {}


def _described(described: Operation) -> str:
    scope = f"The key needs the scope `{described.scope}`." if described.scope else ""
    return "\n\n".join(filter(None, (described.description, scope)))


def _security(contract: Contract, described: Operation) -> list[dict[str, list[str]]]:
    if described.public:
        return []
    scopes = [described.scope] if described.scope else []
    return [{name: scopes} for name in contract.security]


def _of_path(contract: Contract, path: str) -> list[dict[str, Any]]:
    known = {one.name: one for one in contract.paths}
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"{contract.tag} does not describe {missing} of the path {path}.")
    return [_parameter(known[name]) for name in names]


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.place,
        "description": one.description,
        "required": one.place == "path",
        "schema": typed(dict(one.schema)),
        **({} if one.example is None else {"example": one.example}),
    }


def _headers(*names: str) -> dict[str, Any]:
    unknown = [name for name in names if name not in HEADERS]
    if unknown:
        raise ValueError(f"No description of the headers {unknown}; write one in openapi.shared.")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _requiring(schema: Mapping[str, Any], body: Body) -> dict[str, Any]:
    if not body.required:
        return dict(schema)
    return {"allOf": [dict(schema), {"required": list(body.required)}]}


def _event(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of each server-sent event, as later versions of OpenAPI describe them."""
    told = {"type": "string", "contentMediaType": JSON, "contentSchema": dict(data)}
    return {
        "type": "object",
        "description": "Of each event. A comment keeps a silent connection open.",
        "properties": {
            "id": {"type": "string", "description": "For `Last-Event-ID`."},
            "event": {"type": "string"},
            "data": {"anyOf": [{"const": "[DONE]", "description": "The last one."}, told]},
        },
    }


def _is_serializer(schema: type | str) -> bool:
    return not isinstance(schema, str) and not issubclass(schema, BaseModel)


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("_", "/").split("/")[:-1])
