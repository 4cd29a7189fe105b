"""Which route a body that asks for a quote is for."""

from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from jobs.facades.genie import quoting

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"


class TestRouteOf:
    @pytest.mark.parametrize(
        ("fields", "route"),
        [
            ({"model": "lite", "messages": []}, CHAT),
            ({"model": "e", "input": "x"}, EMBEDDINGS),
            ({"model": "r", "query": "x", "documents": []}, "/v1/rerank"),
            ({"messages": None}, CHAT),
            ({"input": "x", "route": None}, EMBEDDINGS),
            ({"messages": [], "input": "x", "route": CHAT}, CHAT),
            ({"messages": [], "input": "x", "route": EMBEDDINGS}, EMBEDDINGS),
            ({"route": CHAT}, CHAT),
            ({"input": "x", "route": CHAT}, CHAT),
        ],
    )
    def test_is_what_the_body_names_or_else_what_its_fields_tell(
        self, fields: dict[str, Any], route: str
    ) -> None:
        assert quoting.route_of(fields) == route

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"model": "lite", "prompt": "x"},
            {"messages": [], "input": "x"},
            {"messages": [], "route": ""},
            {"messages": [], "route": "chat/completions"},
            {"messages": [], "route": "/v1/jobs/quote"},
            {"messages": [], "route": [CHAT]},
            {"messages": [], "route": 5},
        ],
    )
    def test_is_refused_where_neither_says(self, fields: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest) as caught:
            quoting.route_of(fields)

        details: Any = caught.value.extra["details"]
        assert [detail["field"] for detail in details] == ["route"]
        assert CHAT in caught.value.message
        assert EMBEDDINGS in caught.value.message
