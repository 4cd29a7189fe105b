"""Every answer that a caller of the acceptance tests gets is held to the description of the API.

Looked up by route and status in the committed OpenAPI document, whose answers are the project's own JSON
Schemas. An answer of a described route that the document has no schema for fails, as does one that is
not as it says.
"""

import functools
import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

import jsonschema
import requests

from genie.openapi.views import DOCUMENT

_JSON: Final = "application/json"
_API: Final = ("/v1/", "/api/", "/openai/v1/", "/files/", "/health", "/ready")  # the rest are pages
# What the server says before a route is known: to paths, methods, hosts and bodies that are none.
_UNROUTED: Final = (400, 404, 405, 413)


class NotAsDescribedError(AssertionError):
    """An answer that the description of the API does not allow."""


def require(method: str, url: str, answer: requests.Response) -> None:
    """Fail unless the answer is as the description says; its body is read unless it is a stream."""
    path = urlsplit(url).path
    if path.startswith("/api/v1/"):  # another name of the same routes
        path = path.removeprefix("/api")
    if path.startswith(_API) and (why := _wrong(method.upper(), path, answer)) is not None:
        raise NotAsDescribedError(
            f"{method.upper()} {path} was answered with {answer.status_code}, and {why}"
        )


def _wrong(method: str, path: str, answer: requests.Response) -> str | None:
    """Return what of an answer the description does not allow; None if it is as described."""
    operation = _operation(method, path)
    if operation is None:
        return None if answer.status_code in _UNROUTED else "the route is not described"
    described = _resolved(operation["responses"].get(str(answer.status_code)))
    if described is None:
        return None if answer.status_code in (404, 405) else "the status is not described"
    contents = described.get("content", {})
    if not contents or method == "HEAD" or answer.status_code in (204, 304):
        return None
    return _wrong_content(answer, contents)


def _wrong_content(answer: requests.Response, contents: dict[str, Any]) -> str | None:
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind != _JSON:
        allowed = any(re.fullmatch(one.replace("*", ".*"), kind) for one in contents)
        return None if allowed else f"it is {kind or 'of no type'}, not {sorted(contents)}"
    if "schema" not in contents.get(_JSON, {}):
        return "it has no schema"
    schema = json.dumps(contents[_JSON]["schema"])
    found = jsonschema.exceptions.best_match(_validator(schema).iter_errors(answer.json()))
    return None if found is None else f"{found.json_path}: {found.message[:500]}"


@functools.cache
def _document() -> dict[str, Any]:
    return dict(json.loads(DOCUMENT.read_text("utf-8")))


@functools.cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": _document()["components"]}
    return jsonschema.Draft202012Validator(whole)


@functools.cache
def _routes() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Return the paths as patterns, those with the fewest parameters first."""
    ordered = sorted(_document()["paths"].items(), key=lambda one: one[0].count("{"))
    return [
        (_pattern(path, ".+" if wide else "[^/]+"), item)
        for wide in (False, True)
        for path, item in ordered
    ]


def _pattern(path: str, last: str) -> re.Pattern[str]:
    """Return a path as a pattern; ``last`` is what its last parameter may be, which may have slashes."""
    pieces = re.split(r"\{[^}]*\}", path)
    between = ["[^/]+"] * (len(pieces) - 2) + [last] * (len(pieces) > 1)
    text = re.escape(pieces[0])
    for parameter, piece in zip(between, pieces[1:], strict=True):
        text += parameter + re.escape(piece)
    return re.compile(text + "/?")


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for pattern, item in _routes():
        if pattern.fullmatch(path):
            found = item.get("get" if method == "HEAD" else method.lower())
            return None if found is None else dict(found)
    return None


def _resolved(response: dict[str, Any] | None) -> dict[str, Any] | None:
    if response is not None and "$ref" in response:
        name = response["$ref"].rpartition("/")[2]
        return dict(_document()["components"]["responses"][name])
    return response
