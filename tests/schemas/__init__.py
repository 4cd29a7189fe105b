"""JSON Schemas of the wire contracts, written from their documents: what every answer must be."""

import functools
import json
from typing import Any

import jsonschema

from genie.openapi.components import SCHEMAS


@functools.cache
def _validator(contract: str, name: str, part: str | None) -> Any:
    schema = json.loads((SCHEMAS / contract / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema["$defs"][part] if part else schema)


def require(contract: str, name: str, document: Any, *, part: str | None = None) -> Any:
    """Return the document, which has the shape of this name; fails with what is wrong.

    ``part`` is a member of the schema's ``$defs``.
    """
    _validator(contract, name, part).validate(document)
    return document


def fits(contract: str, name: str, document: Any) -> bool:
    """Tell whether the document has the shape of this name."""
    return bool(_validator(contract, name, None).is_valid(document))


def fits_any(contract: str, name: str, document: Any) -> bool:
    """Tell whether the document has the shape of any of a schema's ``$defs``."""
    schema = json.loads((SCHEMAS / contract / f"{name}.json").read_text("utf-8"))
    return any(_validator(contract, name, part).is_valid(document) for part in schema["$defs"])


def nulls(document: Any, path: str = "") -> list[str]:
    """Return where a document has a null."""
    if document is None:
        return [path]
    if isinstance(document, dict):
        return [at for name, one in document.items() for at in nulls(one, f"{path}.{name}")]
    if isinstance(document, list):
        return [at for place, one in enumerate(document) for at in nulls(one, f"{path}.{place}")]
    return []
