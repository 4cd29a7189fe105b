"""A few requests of each kind that Schemathesis makes; `make fuzz` sends tens of thousands."""

from collections.abc import Callable

import schemathesis

from tests.acceptance.callers import Caller
from tests.acceptance.system import System
from tests.fuzz import driver
from tests.fuzz.things import SCOPES, Things

# Real videos, which others would wait behind.
VIDEOS = [
    "createVideo",
    "createTransition",
    "openaiCreateVideo",
    "oxenEnqueue",
    "oxenGenerateVideo",
]


def test_no_request_is_answered_otherwise_than_described(
    system: System, new_caller: Callable[..., Caller]
) -> None:
    schema = schemathesis.openapi.from_url(f"{system.base_url}/openapi.json")

    report = driver.run(
        schema.exclude(operation_id=VIDEOS),
        Things(new_caller("--scopes", SCOPES)),
        managed=Things(new_caller("--scopes", SCOPES)),
        cases=200,
        first_seed=1,
    )

    assert list(report.breaches.values()) == []
    assert report.cases > 150
