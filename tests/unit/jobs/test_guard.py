"""Bodies are well-formed JSON objects in UTF-8 before anything reads them."""

import json
import time
from typing import Any

import pytest
from django.http import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from genie.core import strict_json
from genie.core.errors import GenieError, InvalidRequest, UnsupportedMediaType
from jobs.intake import guard

# What JSON can carry and we accept: no NUL, no lone surrogate.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)


def read(body: bytes, *, content_type: str = "application/json", **meta: str) -> dict[str, Any]:
    request = HttpRequest()
    request.META |= {"CONTENT_TYPE": content_type, **meta}
    request._body = body  # as the lean handler sets it
    return guard.read_object(request)


def status(body: bytes) -> int:
    """Return the status that a body leads to; 200 for an object."""
    try:
        read(body)
    except GenieError as error:
        return error.http_status
    return 200


def refusal(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    return caught.value


class TestRoundTrip:
    @given(OBJECTS)
    def test_any_object_is_read_as_it_was_written(self, value: dict[str, Any]) -> None:
        assert read(json.dumps(value).encode()) == value
        assert read(json.dumps(value, ensure_ascii=False).encode()) == value

    @given(st.binary(max_size=200))
    def test_any_bytes_are_an_object_or_one_refusal(self, body: bytes) -> None:
        assert status(body) in (200, 400)

    @given(st.text('{}[]":,\\ue0123456789.-ntf \x00\ufeff', max_size=60))
    def test_any_soup_of_json_is_an_object_or_one_refusal(self, body: str) -> None:
        assert status(body.encode()) in (200, 400)


class TestDepth:
    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"a":[', "]}")])
    def test_of_the_limit_is_read_and_one_more_is_refused(self, opening: str, closing: str) -> None:
        fits = (strict_json.MAX_DEPTH - 1) // sum(opening.count(one) for one in "[{")

        def body(times: int) -> bytes:
            return ('{"a":' + opening * times + "1" + closing * times + "}").encode()

        assert read(body(fits))
        assert "nested deeper" in refusal(body(fits + 1)).message

    @pytest.mark.parametrize("size", [1_000, 100_000])
    def test_of_any_size_is_refused_and_not_recursed_into(self, size: int) -> None:
        assert "nested deeper" in refusal(b'{"a":' + b"[" * size).message

    def test_brackets_within_strings_do_not_count(self) -> None:
        value = {"a": "[" * 100 + '"{' * 100 + "\\"}

        assert read(json.dumps(value).encode()) == value

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 40 + b'"' + b'\\"' * 500_000,  # an unterminated string full of escapes
            b"[" * 40 + b'"' * 1_000_001,
            b"[" * 40 + b'"' + b"\\" * 1_000_001,
            b"[]" * 500_000,
        ],
    )
    def test_is_judged_in_time_that_grows_with_the_size_alone(self, body: bytes) -> None:
        began = time.process_time()

        refusal(body)

        assert time.process_time() - began < 5  # hours, when every quote began a search of its own


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "empty"),
            (b"   ", "not valid JSON"),
            (b"[]", "must be a JSON object"),
            (b'"text"', "must be a JSON object"),
            (b"1", "must be a JSON object"),
            (b"null", "must be a JSON object"),
            (b'{"a": 1,}', "not valid JSON"),
            (b"{'a': 1}", "not valid JSON"),
            (b'{"a": 1} {"b": 2}', "not valid JSON"),
            (b'\xef\xbb\xbf{"a": 1}', "not valid JSON"),  # a byte order mark
            ('{"a": 1}'.encode("utf-16"), "UTF-8"),
            ('{"a": 1}'.encode("utf-32"), "UTF-8"),
            (b'{"a": "\xff"}', "UTF-8"),
            (b'{"a": "\xed\xa0\x80"}', "UTF-8"),  # a surrogate, in raw bytes
            (b'{"a": "\xc0\x80"}', "UTF-8"),  # NUL, the overlong way
            (b'{"a": "\x00"}', "not valid JSON"),
            (b'{"a": "\n"}', "not valid JSON"),
            (b'{"a": 1, "a": 2}', "a: appears twice"),
            (b'{"x": {"b": 1, "\\u0062": 2}}', "b: appears twice"),
            (b'{"a": NaN}', "NaN is not a JSON number"),
            (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
            (b'{"a": 1e999}', "too large"),
            (b'{"a": ' + b"9" * 101 + b"}", "more than 100 digits"),
            (b'{"a": ' + b"9" * 100_000 + b"}", "more than 100 digits"),
            (b'{"a": "\\u0000"}', "a: contains a NUL"),
            (b'{"a": {"b": ["x", "\\u0000"]}}', "a.b.1: contains a NUL"),
            (b'{"a\\u0000": 1}', "NUL"),
            (b'{"a": "\\ud800"}', "a: contains a lone surrogate"),
            (b'{"a": "\\udc00\\ud800"}', "a: contains a lone surrogate"),
            (b'{"\\udfff": 1}', "lone surrogate"),
        ],
    )
    def test_say_what_is_wrong_and_where(self, body: bytes, said: str) -> None:
        error = refusal(body)

        assert said in error.message
        assert isinstance(error.extra["details"], list)

    def test_a_pair_of_surrogates_is_one_character(self) -> None:
        assert read(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}

    def test_a_number_of_100_digits_is_read(self) -> None:
        assert read(b'{"a": ' + b"9" * 100 + b"}") == {"a": 10**100 - 1}


class TestMediaType:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "Application/JSON ; charset=UTF-8",
            'application/json; charset="utf-8"',
            "application/json;charset=utf8",
        ],
    )
    def test_of_json_in_utf_8_is_read(self, content_type: str) -> None:
        assert read(b'{"a": 1}', content_type=content_type) == {"a": 1}

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/jsonp",
            "application/vnd.api+json",
        ],
    )
    def test_of_anything_else_is_refused(self, content_type: str) -> None:
        with pytest.raises(UnsupportedMediaType):
            read(b'{"a": 1}', content_type=content_type)

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
    def test_a_compressed_body_is_refused(self, encoding: str) -> None:
        with pytest.raises(UnsupportedMediaType):
            read(b'{"a": 1}', HTTP_CONTENT_ENCODING=encoding)


class TestCleanText:
    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_refuses_what_the_database_cannot_hold(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match="model"):
            guard.require_clean_text(text, field="model")
