"""The whole document: what drf-spectacular found, and every contract's routes beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from genie.core.describing import Contract
from genie.openapi import contracts
from genie.openapi.components import Components
from genie.openapi.contracts import MANAGEMENT, Described
from genie.openapi.rendering import Renderer, example
from genie.openapi.shared import HEADERS, SECURITY_SCHEMES


def complete(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Add what is not REST framework's, and say the rest of what is (``POSTPROCESSING_HOOKS``).

    Raises:
        Undescribed: A route has no description, or a description no route.
    """
    found = result["paths"]
    renderer = Renderer(Components())
    paths: dict[str, Any] = {}
    tags: dict[str, str] = {}
    for one in [*contracts.mounted(), *_managed(found)]:
        tags |= one.contract.tags
        operation = renderer.operation(one.contract, one.path, one.operation)
        operation |= _introspected(found, one)
        if one.contract.servers and one.path.startswith("/v1/"):
            operation["servers"] = [{"url": url} for url in ("/", *one.contract.servers)]
        paths.setdefault(one.path, {})[one.method.lower()] = operation
    result["paths"] = dict(sorted(paths.items()))
    result["tags"] = [{"name": name, "description": what} for name, what in tags.items()]
    components = result.setdefault("components", {})
    components["schemas"] = dict(
        sorted((components.get("schemas", {}) | renderer.components.schemas).items())
    )
    components["responses"] = dict(sorted(renderer.responses.items()))
    components["headers"] = HEADERS
    components["securitySchemes"] = SECURITY_SCHEMES
    return result


def _managed(found: Mapping[str, Any]) -> Iterable[Described]:
    routes = [(method.upper(), path) for path, item in found.items() for method in item]
    for contract in MANAGEMENT:
        mine = [one for one in routes if _is_of(contract, *one)]
        routes = [one for one in routes if one not in mine]
        yield from contracts.described(contract, mine)
    if routes:
        raise contracts.Undescribed(f"No contract describes {routes}.")


def _is_of(contract: Contract, method: str, path: str) -> bool:
    return any(
        f"{method} {path.removeprefix(prefix)}" in contract.operations
        for prefix in ("", *contract.servers)
    )


def _introspected(found: Mapping[str, Any], one: Described) -> dict[str, Any]:
    """Return the request body that was read off a serializer, with its example."""
    operation = found.get(one.path, {}).get(one.method.lower(), {})
    if one.operation.body is None or "requestBody" not in operation:
        return {}
    body = operation["requestBody"]
    for content in body["content"].values():
        content.update(example(one.operation.body))
    return {"requestBody": {**body, "required": True}}
