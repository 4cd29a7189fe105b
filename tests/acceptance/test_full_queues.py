"""Journey: a queue that is full refuses before anything is held, and says when to come back."""

from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.system import System, until

LIMIT = 3


@pytest.fixture(scope="module")
def narrow(system: System) -> Iterator[str]:
    with system.another_web(GENIE_QUEUE_LIMIT_PER_ORGANIZATION=str(LIMIT)) as url:
        yield url


def test_an_organization_that_fills_its_queue_is_refused_and_others_are_not(
    narrow: str, new_caller: Callable[..., Caller], system: System
) -> None:
    full, other = new_caller(), new_caller()
    full.base_url = other.base_url = narrow
    with system.paused():
        accepted = [full.chat(mode="async") for _ in range(LIMIT)]
        refused = full.chat(mode="async")

        assert {one.status_code for one in accepted} == {202}
        assert refused.status_code == 429, refused.text
        assert refused.json()["code"] == "queue-full"
        assert int(refused.headers["Retry-After"]) >= 1
        assert full.jobs_count() == LIMIT
        assert other.chat(mode="async").status_code == 202
    for one in accepted:
        assert full.ended(one.json()["id"])["status"] == "completed"
    # The depth is counted again within a second or two.
    until(lambda: full.chat(mode="async").status_code == 202, what="room in the queue")
