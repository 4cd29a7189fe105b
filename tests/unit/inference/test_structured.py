"""Which schemas an answer can be held to, and what a refusal names."""

import contextlib
import json
import time
from typing import Any

import pytest

from inference import structured
from inference.structured import SchemaRejected


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


class TestCheck:
    @pytest.mark.parametrize(
        "schema",
        [
            {},
            {"type": "object"},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"type": ["string", "null"], "description": "a note", "title": "t"},
            {"enum": ["a", 1, None, {"b": [True]}]},
            {"const": {"a": [1, 2, None]}},
            {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
            {"anyOf": [{"type": "integer"}, {"type": "string", "format": "date"}]},
            {"oneOf": [{"type": "integer"}, {"type": "string"}]},
            {"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer", "minimum": 3}}},
            {"type": "string", "pattern": "^[a-z]{2,5}$"},
            {"type": "object", "required": ["a"], "minProperties": 1},
            {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {"kind": {"const": "a"}},
                        "required": ["kind"],
                    },
                    {
                        "type": "object",
                        "properties": {"kind": {"const": "b"}},
                        "required": ["kind"],
                    },
                ],
                "discriminator": {"propertyName": "kind"},
            },
            {"allOf": [{"$ref": "#/$defs/n"}], "$defs": {"n": {"type": "string", "pattern": "a"}}},
            {"anyOf": [{"type": "string", "pattern": f"a{{{n}}}"} for n in range(40)]},
            nested(structured.MAX_DEPTH),
        ],
    )
    def test_takes_what_can_be_followed(self, schema: dict[str, Any]) -> None:
        structured.check(schema)

    @pytest.mark.parametrize(
        ("schema", "keyword"),
        [
            ({"not": {"type": "string"}}, "not"),
            ({"if": {}, "then": {}}, "if"),
            ({"type": "array", "contains": {}}, "contains"),
            ({"type": "array", "uniqueItems": True}, "uniqueItems"),
            ({"type": "object", "propertyNames": {"pattern": "a"}}, "propertyNames"),
            ({"dependentRequired": {"a": ["b"]}}, "dependentRequired"),
            ({"unevaluatedProperties": False}, "unevaluatedProperties"),
            ({"$id": "https://example.com/x"}, "$id"),
            ({"x-guidance": {"lenient": True}}, "x-guidance"),
            ({"properties": {"a": {"not": {}}}}, "not"),
            ({"type": "foo"}, "type"),
            ({"type": "string", "format": "elsewhere"}, "format"),
            ({"type": "string", "pattern": "(?=a)b"}, "pattern"),
            ({"type": "string", "pattern": "a" * (structured.MAX_PATTERN + 1)}, "pattern"),
            ({"$ref": "#/nowhere"}, "$ref"),
            ({"$ref": "https://example.com/x"}, "$ref"),
            ({"$ref": 5}, "$ref"),
            ({"minimum": "a", "type": "number"}, "minimum"),
            ({"type": "string", "minLength": 5, "maxLength": 3}, "minLength"),
            ({"oneOf": [{"type": "string"}, {"type": "string"}]}, "oneOf"),
            ({"allOf": [{"type": "string"}, {"type": "number"}]}, "type"),
            ({"enum": []}, "enum"),
            ({"items": [{}]}, "items"),
            ({"properties": []}, "properties"),
            ({"type": "object", "required": ["z"], "additionalProperties": False}, "required"),
            ({"type": "object", "minProperties": 2}, "minProperties"),
            ({"anyOf": [5]}, "schema"),
            ({"$ref": "#"}, "schema"),
            (nested(structured.MAX_DEPTH + 1), "schema"),
            (nested(400), "schema"),
            (
                {"allOf": [{"type": "string", "pattern": f"a{{{n}}}b*"} for n in range(15)]},
                "pattern",
            ),
            (
                {
                    "$ref": "#/$defs/n0",
                    "$defs": {
                        f"n{n}": {"pattern": f".*[a-z]{{{n}}}.*", "$ref": f"#/$defs/n{n + 1}"}
                        for n in range(15)
                    },
                },
                "pattern",
            ),
            ({"enum": list(range(structured.MAX_PARTS + 1))}, "schema"),
            ({"description": "x" * structured.MAX_BYTES}, "schema"),
        ],
    )
    def test_refuses_the_rest_and_names_the_keyword(
        self, schema: dict[str, Any], keyword: str
    ) -> None:
        with pytest.raises(SchemaRejected) as caught:
            structured.check(schema)

        assert caught.value.keyword == keyword
        assert caught.value.message

    @pytest.mark.parametrize(
        ("pattern", "told"),
        [("(?=a)b", "look-around"), (r"(a)\1", "backreferences"), ("(", "unclosed group")],
    )
    def test_says_what_is_wrong_with_a_pattern(self, pattern: str, told: str) -> None:
        with pytest.raises(SchemaRejected, match=f"regex parse error: {told}"):
            structured.check({"type": "string", "pattern": pattern})

    def test_says_where_in_the_schema(self) -> None:
        with pytest.raises(SchemaRejected, match=r"'not' is not supported at \$.properties.a"):
            structured.check({"properties": {"a": {"not": {}}}})

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "string", "pattern": "(a{1,1000}){1,1000}"},
            {"type": "string", "pattern": ".*a.{200}"},
            {"anyOf": [{"type": "string", "pattern": f"(.*a){{{n}}}"} for n in range(1, 60)]},
            {"type": "array", "items": {"type": "string"}, "minItems": 10**9},
            {"properties": {f"p{n}": {"type": ["string", "integer"]} for n in range(1500)}},
        ],
    )
    def test_takes_a_bounded_time_whatever_is_asked(self, schema: dict[str, Any]) -> None:
        began = time.process_time()
        with contextlib.suppress(SchemaRejected):
            structured.check(schema)

        assert time.process_time() - began < 2.0

    def test_judges_a_schema_once(self) -> None:
        schema = {"type": "object", "properties": {"judged-once": {"type": "integer"}}}
        structured.check(schema)
        before = structured._problem_of.cache_info()

        structured.check(json.loads(json.dumps(schema)))

        after = structured._problem_of.cache_info()
        assert (after.hits, after.misses) == (before.hits + 1, before.misses)
