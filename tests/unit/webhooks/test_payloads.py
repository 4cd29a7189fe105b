"""The one serialisation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import payloads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class TestSerialise:
    @given(
        payload=st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])), values, max_size=5
        )
    )
    def test_always_yields_utf8_json(self, payload: dict[str, object]) -> None:
        raw = payloads.serialise(payload)

        assert set(json.loads(raw.decode("utf-8"))) == set(payload)

    def test_replaces_a_lone_surrogate_rather_than_failing_the_job(self) -> None:
        assert payloads.serialise({"text": "a\ud800b"}) == b'{"text":"a?b"}'

    def test_refuses_what_json_does_not_have(self) -> None:
        with pytest.raises(ValueError, match="JSON"):
            payloads.serialise({"cost": float("nan")})
