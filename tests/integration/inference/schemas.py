"""Random JSON schemas of the kinds that are supported, each with a bounded answer."""

from typing import Any

from hypothesis import strategies as st

_NAMES = st.sampled_from(["a", "b", "name", "größe", "two words", "x/y", 'qu"ote', "tab\t"])
_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 99), st.text("abé🙂 \"\\/", max_size=4)
)  # fmt: skip


def _range(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda pair: (min(pair), max(pair))
    )


_STRINGS = _range(0, 6).map(lambda r: {"type": "string", "minLength": r[0], "maxLength": r[1]})
_PATTERNS = st.sampled_from(
    ["^[a-z]{1,4}$", "^(ab|cd){2}$", r"^[0-9]{3}-[A-Z]$", "^x?y{0,2}$"]
).map(lambda pattern: {"type": "string", "pattern": pattern})
_FORMATS = st.sampled_from(["date", "time", "uuid", "ipv4"]).map(
    lambda name: {"type": "string", "format": name}
)
_INTEGERS = _range(-200, 2000).map(lambda r: {"type": "integer", "minimum": r[0], "maximum": r[1]})
_MULTIPLES = st.integers(2, 9).map(
    lambda n: {"type": "integer", "minimum": 0, "maximum": 500, "multipleOf": n}
)
_OPEN = _range(-20, 20).map(
    lambda r: {"type": "integer", "exclusiveMinimum": r[0] - 1, "exclusiveMaximum": r[1] + 1}
)
_NUMBERS = _range(-9, 9).map(lambda r: {"type": "number", "minimum": r[0], "maximum": r[1]})
_LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _STRINGS,
    _PATTERNS,
    _FORMATS,
    _INTEGERS,
    _MULTIPLES,
    _OPEN,
    _NUMBERS,
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["boolean", "null"]}),
    st.lists(_VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    st.recursive(
        _VALUES,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=2),
        max_leaves=3,
    ).map(lambda value: {"const": value}),
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(_NAMES, inner, max_size=3))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []  # fmt: skip
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    least, most = draw(_range(0, 3))
    return {"type": "array", "items": draw(inner), "minItems": least, "maxItems": most}


def _tuples(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(inner, min_size=1, max_size=3).map(
        lambda items: {
            "type": "array",
            "prefixItems": items,
            "items": False,
            "minItems": len(items),
        }
    )


def _choices(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})


def _references(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return inner.map(lambda schema: {"description": "the same twice", "allOf": [schema]})


SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        _objects(inner), _arrays(inner), _tuples(inner), _choices(inner), _references(inner)
    ),
    max_leaves=6,
)
