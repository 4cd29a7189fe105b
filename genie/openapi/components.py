"""Collects the schemas that operations refer to, each once, as components of the document."""

import functools
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

SCHEMAS = Path(__file__).parent / "schemas"
_PLACE = "#/components/schemas/"
# What JSON Schema says to its own readers, and OpenAPI's readers do not ask.
_DROPPED = frozenset({"$schema", "$defs"})


class Components:
    """The schemas of one document, by their names in it."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def answer(self, name: str) -> dict[str, str]:
        """Return the reference to a schema file, such as ``native/job``."""
        if (title := _title(name)) not in self.schemas:
            schema = _read(name)
            self.schemas[title] = {}  # taken, for a schema that refers to itself
            for part, inner in schema.get("$defs", {}).items():
                self.schemas[title + _camel(part)] = self._moved(inner, name)
            self.schemas[title] = self._moved(schema, name)
        return {"$ref": _PLACE + title}

    def request(self, model: type[BaseModel]) -> dict[str, str]:
        """Return the reference to what a pydantic model takes."""
        title = _class_title(model)
        if title not in self.schemas:
            schema = model.model_json_schema(by_alias=True, ref_template=_PLACE + "{model}")
            for part, inner in schema.pop("$defs", {}).items():
                self._add(part, _plain(inner))
            self._add(title, _plain(schema))
        return {"$ref": _PLACE + title}

    def _add(self, title: str, schema: Any) -> None:
        known = self.schemas.setdefault(title, schema)
        if known != schema:
            raise ValueError(f"Two schemas are called {title}; rename one of the classes.")

    def _moved(self, value: Any, name: str) -> Any:
        """Return a part of a schema file with its references led to components."""
        if isinstance(value, list):
            return [self._moved(one, name) for one in value]
        if not isinstance(value, dict):
            return value
        moved = {
            key: self._moved(one, name)
            for key, one in value.items()
            if key not in _DROPPED and key != "$ref"
        }
        reference = value.get("$ref")
        if isinstance(reference, str):
            moved |= self._led(reference, name)
        return typed(moved)

    def _led(self, reference: str, name: str) -> dict[str, str]:
        file, _, part = reference.partition("#/$defs/")
        if part:
            return {"$ref": _PLACE + _title(name) + _camel(part)}
        return self.answer(f"{name.split('/', maxsplit=1)[0]}/{file.removesuffix('.json')}")


def typed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that says of words that they are strings, which viewers do not guess."""
    words = schema.get("enum", [schema.get("const")])
    if "type" in schema or not words or not all(isinstance(one, str) for one in words):
        return schema
    return {"type": "string", **schema}


@functools.cache
def _read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    if "$defs" in schema and "type" not in schema and "oneOf" not in schema:
        # A file of alternatives, such as the envelopes of one contract.
        schema["anyOf"] = [{"$ref": f"#/$defs/{part}"} for part in schema["$defs"]]
    return schema


def _plain(schema: Any) -> Any:
    """Return a model's schema without the titles that only repeat its fields' names."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: _plain(one)
        for key, one in schema.items()
        if not (key == "title" and isinstance(one, str))
    }
    if isinstance(pattern := plain.get("pattern"), str):
        # JSON Schema's patterns are ECMAScript's, which has neither of Python's anchors.
        plain["pattern"] = pattern.replace("\\A", "^").replace("\\z", "$")
    return plain


def _class_title(model: type[BaseModel]) -> str:
    """Return a class's name, behind its facade's where that is not in it."""
    _, facades, rest = model.__module__.partition("jobs.facades.")
    facade = _camel(rest.split(".")[0]) if facades else ""
    known = model.__name__.lower().startswith(facade.lower())
    return model.__name__ if known else facade + model.__name__


def _title(name: str) -> str:
    return "".join(_camel(part) for part in name.split("/"))


def _camel(text: str) -> str:
    return "".join(word.capitalize() for word in text.replace("-", "_").split("_"))
