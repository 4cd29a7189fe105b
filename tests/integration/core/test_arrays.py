"""What goes in as the text of an array comes out as it was."""

import math
import uuid
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from genie.core.postgresql import arrays

pytestmark = pytest.mark.django_db(transaction=True)

_BIGINTS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
# PostgreSQL stores neither NUL nor half a surrogate pair, and nothing here sends them.
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def read_back(literal: str, kind: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [literal])
        return cursor.fetchone()[0]


@settings(max_examples=100)
@given(values=st.lists(st.none() | _BIGINTS))
def test_integers(values: list[int | None]) -> None:
    assert read_back(arrays.integers(values), "bigint") == values


@settings(max_examples=100)
@given(values=st.lists(st.floats(allow_nan=False)))
def test_floats(values: list[float]) -> None:
    assert read_back(arrays.floats(values), "float8") == values


def test_what_is_no_number() -> None:
    (value,) = read_back(arrays.floats([math.nan]), "float8")
    assert math.isnan(value)


@settings(max_examples=100)
@given(values=st.lists(st.none() | st.uuids()))
def test_uuids(values: list[uuid.UUID | None]) -> None:
    assert read_back(arrays.uuids(values), "uuid") == values


@settings(max_examples=300)
@given(
    values=st.lists(
        st.none() | _TEXTS | st.sampled_from(["", "NULL", "a,b", "{}", '"', "\\", '\\"'])
    )
)
def test_texts(values: list[str | None]) -> None:
    assert read_back(arrays.texts(values), "text") == values
