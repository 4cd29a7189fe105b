"""Judges the JSON schemas that answers must satisfy, and turns them into grammars. No torch.

Web processes judge a schema before a job is admitted; backends compile what was judged with the
vocabulary of their model. Both use the same limits, so that what a web process lets through a
worker can run.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import llguidance

MAX_BYTES = 65_536  # of one schema, as compact JSON
MAX_DEPTH = 32  # schemas inside schemas
MAX_PARTS = 5_000  # schemas, and values of enum, in all
MAX_PATTERN = 1_000  # characters of one regular expression
# Patterns and formats of a schema that combines others. What all must match at once is judged in a
# time that grows exponentially with their number, whatever the limits below: 0.01 s for 9 of them,
# 0.2 s for 11, 38 s for 15.
MAX_JOINED_PATTERNS = 8

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}

# What a compiler and each step of an answer may cost, in the library's own units: a schema that
# wants more is refused, or its answer fails, instead of holding up everybody in the batch.
LIMITS = llguidance.LLParserLimits(
    initial_lexer_fuel=1_000_000,  # about 20 ms
    step_lexer_fuel=200_000,  # about 14 ms
    step_max_items=50_000,  # about 2.5 ms
    max_lexer_states=20_000,  # about 40 MB of memory
    max_grammar_size=200_000,
    verbose_errors=False,  # a message must not quote the schema
)

# One optional blank after a comma and a colon, as models write JSON on one line; free white space
# lets a small model wander in it up to its token limit. The \uXXXX escapes are left out: with them
# a key could be spelled in another way than its schema knows it. Nothing in a schema may loosen it.
OPTIONS: Mapping[str, Any] = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
    "coerce_one_of": False,
    "lenient": False,
    "json_allowed_escapes": 'nrtbf\\"',
    "json_allow_general_unicode_escapes": False,
}

_CHECKED = {
    *("$ref", "$defs", "definitions", "type", "const", "enum", "anyOf", "oneOf", "allOf"),
    *("items", "prefixItems", "minItems", "maxItems"),
    *("properties", "additionalProperties", "patternProperties", "required"),
    *("minProperties", "maxProperties"),
    *("minLength", "maxLength", "pattern", "format"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_NOTES = {
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    *("$schema", "$comment", "discriminator", "contentEncoding", "contentMediaType"),
}
_APPLICATORS = {"$ref", "anyOf", "oneOf", "allOf"}
_REGULAR = {"pattern", "format"}  # what becomes a regular expression
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_TABLES = ("properties", "patternProperties", "$defs", "definitions")
_SINGLE = ("items", "additionalProperties")

# What the compiler says, and the keyword that it is about.
_KEYWORD_OF = (
    (re.compile(r"unknown format"), "format"),
    (re.compile(r"regex"), "pattern"),
    (re.compile(r"pointer|resource|\$ref"), "$ref"),
    (re.compile(r"oneof"), "oneOf"),
    (re.compile(r"required property"), "required"),
    (re.compile(r"invalid type|incompatible types"), "type"),
    (re.compile(r"multiple of"), "multipleOf"),
    (re.compile(r"integer interval|integer range"), "minimum"),
)
_OVERLAPPING = "the alternatives of oneOf may overlap, which is not supported; use anyOf"


class SchemaRejected(Exception):
    """A schema that no answer can be held to. The message may be shown to the caller."""

    def __init__(self, keyword: str, message: str, *, path: str = "") -> None:
        where = f" at {path}" if path else ""
        super().__init__(f"{message}{where}")
        self.message = str(self)
        self.keyword = keyword


def check(schema: Mapping[str, Any]) -> None:
    """Judge a schema; cheap for one that was judged lately.

    It takes at most some tens of milliseconds of processor time: call it on a thread from a loop.

    Raises:
        SchemaRejected: naming the keyword that is unsupported, malformed or beyond a limit.
    """
    try:
        text = canonical(schema)
    except RecursionError:
        raise _too_deep() from None
    if len(text.encode()) > MAX_BYTES:
        raise SchemaRejected("schema", f"the schema has more than {MAX_BYTES} bytes")
    if (problem := _problem_of(text)) is not None:
        raise SchemaRejected(*problem)


def check_grammar(text: str) -> None:
    """Judge a grammar that was made of schemas that were judged, which together may be too much.

    Raises:
        SchemaRejected: It is beyond a limit.
    """
    if _first_step(text):
        raise SchemaRejected("schema", "the schemas together are too large; leave tools out")


def canonical(schema: Mapping[str, Any]) -> str:
    """Return a schema as the text that grammars are made of; properties keep their order."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def grammar(schema: Mapping[str, Any]) -> str:
    """Return the grammar of exactly the JSON texts that satisfy a schema."""
    options: Any = dict(OPTIONS)
    return llguidance.LLMatcher.grammar_from_json_schema(canonical(schema), overrides=options)


def rule(schema: Mapping[str, Any]) -> str:
    """Return a schema as a term of a Lark grammar."""
    return f"%json {canonical({**schema, 'x-guidance': dict(OPTIONS)})}"


@functools.lru_cache(maxsize=256)
def _problem_of(text: str) -> tuple[str, str] | None:
    """Return the keyword and the message of what is wrong; the result is what the cache keeps."""
    schema = json.loads(text)
    try:
        _check_nodes(schema)
        _check_compiles(schema)
    except SchemaRejected as error:
        return error.keyword, error.message
    return None


def _check_nodes(schema: Any) -> None:
    parts = patterns = 0
    is_joined = False
    for node, path, depth in _nodes(schema, "$", 0):
        parts += 1 + (len(_list(node.get("enum"))) if isinstance(node, dict) else 0)
        if parts > MAX_PARTS:
            raise SchemaRejected("schema", f"the schema has more than {MAX_PARTS} parts")
        _check_node(node, path, depth)
        if isinstance(node, dict):
            patterns += len(_REGULAR & node.keys())
            is_joined = is_joined or _joins(node)
    if is_joined and patterns > MAX_JOINED_PATTERNS:
        raise SchemaRejected(
            "pattern",
            f"a schema that combines others has at most {MAX_JOINED_PATTERNS} patterns and formats",
        )


def _joins(node: Mapping[str, Any]) -> bool:
    """Tell whether what a node matches must match more than one schema at once."""
    conditions = len(_APPLICATORS & node.keys()) + bool(_REGULAR & node.keys())
    return conditions > 1 or len(_list(node.get("allOf"))) > 1


def _nodes(node: Any, path: str, depth: int) -> Iterator[tuple[Any, str, int]]:
    """Yield every schema inside a schema, with its place; the caller stops at what is too deep."""
    yield node, path, depth
    for place, item in _children(node) if isinstance(node, dict) else ():
        yield from _nodes(item, f"{path}.{place}", depth + 1)


def _children(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in _LISTS:
        for index, item in enumerate(_list(node.get(keyword))):
            yield f"{keyword}[{index}]", item
    for keyword in _TABLES:
        table = node.get(keyword)
        for name, item in table.items() if isinstance(table, dict) else ():
            yield f"{keyword}.{name[:64]}", item
    for keyword in _SINGLE:
        if isinstance(node.get(keyword), dict):
            yield keyword, node[keyword]


def _check_node(node: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(node, bool):
        return
    if not isinstance(node, dict):
        raise SchemaRejected("schema", "a schema is an object, true or false", path=path)
    for keyword in node:
        if keyword not in _CHECKED and keyword not in _NOTES:
            raise SchemaRejected(
                keyword[:64], f"the keyword {keyword[:64]!r} is not supported", path=path
            )
    for keyword, is_wrong, message in _RULES:
        if keyword in node and is_wrong(node):
            raise SchemaRejected(keyword, message, path=path)


_RULES: tuple[tuple[str, Callable[[Mapping[str, Any]], bool], str], ...] = (
    (
        "$ref",
        lambda node: not str(node["$ref"]).startswith("#"),
        "$ref must lead to a part of this schema, as #/...",
    ),
    (
        "pattern",
        lambda node: len(str(node["pattern"])) > MAX_PATTERN,
        f"a pattern has at most {MAX_PATTERN} characters",
    ),
    (
        "items",
        lambda node: isinstance(node["items"], list),
        "items is one schema; use prefixItems for a list",
    ),
    ("enum", lambda node: node["enum"] == [], "enum must have at least one value"),
    (
        "minProperties",  # a key may be written twice, and counts once
        lambda node: (
            isinstance(node["minProperties"], int)
            and node["minProperties"] > len(_list(node.get("required")))
        ),
        "minProperties must not be above the number of required properties",
    ),
)


def _check_compiles(schema: Any) -> None:
    try:
        message = _first_step(grammar(schema))
    except ValueError as error:
        message = str(error)
    if message:
        raise _compiler_said(message)


@functools.lru_cache(maxsize=64)
def _first_step(text: str) -> str:
    """Compile a grammar and make its first step; return what is wrong, or nothing."""
    matcher = llguidance.LLMatcher(_byte_tokenizer(), text, limits=LIMITS, log_level=0)
    if not matcher.is_error():
        matcher.compute_bitmask()
    return matcher.get_error()


@functools.cache
def _byte_tokenizer() -> Any:
    """Return the smallest vocabulary: whether a schema compiles depends on none."""
    return llguidance.LLTokenizer("byte")


def _compiler_said(message: str) -> SchemaRejected:
    first = _sentence(message)
    lowered = first.lower()
    for pattern, keyword in _KEYWORD_OF:
        if pattern.search(lowered):
            return SchemaRejected(keyword, _OVERLAPPING if keyword == "oneOf" else first)
    # The first that is named, and of those that begin there the longest: minLength, not min.
    named = min(
        (one for one in _CHECKED if one in first),
        key=lambda one: (first.index(one), -len(one)),
        default="schema",
    )
    if "NoExtension" in first:
        return SchemaRejected(named, "no value satisfies the schema")
    return SchemaRejected(named, first)


def _sentence(message: str) -> str:
    """Return what the compiler says in one line; a mistake in a pattern is told in its last one."""
    lines = [line.strip() for line in message.strip().splitlines()] or ["it cannot be satisfied"]
    told = lines[0]
    if told.endswith(":"):
        found = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        told = f"{told} {found[0]}" if found else told.rstrip(":")
    return told[:200]


def _too_deep() -> SchemaRejected:
    return SchemaRejected("schema", f"the schema is nested more than {MAX_DEPTH} deep")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
