"""The page of the HTTP API: the routes of every contract, from the description that is served."""

import json
from typing import Any

from genie.openapi.views import DOCUMENT
from tests.reference import markdown

_METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    """Return the page."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text("utf-8"))
    operations = [
        (operation, method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    sections = []
    for tag in document["tags"]:
        mine = [one for one in operations if tag["name"] in one[0]["tags"]]
        rows = [
            [markdown.code(f"{method} {path}"), markdown.sentence(operation["summary"])]
            for operation, method, path in mine
        ]
        head = f"## {tag['name']}\n\n{tag['description']}"
        sections.append(f"{head}\n\n{markdown.table(['route', 'what it does'], rows)}")
    return markdown.page(
        "HTTP routes",
        "Every route of every contract. A running system shows them with bodies, answers, examples "
        "and a console at `/docs/api`, and serves the description (OpenAPI 3.1) at `/openapi.json`; "
        "in a checkout that is the file `genie/openapi/openapi.json`. In words: [Genie's own "
        "contract](../api.md), [OpenAI's](../api-openai.md), [Bifrost's](../api-bifrost.md), "
        "[inference.net's](../api-inference-net.md), [Oxen's](../api-oxen.md).",
        *sections,
    )
