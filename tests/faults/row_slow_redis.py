"""F20: a minute of a Redis that is 400 ms away and of whose packets every tenth is lost."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.acceptance.callers import Caller, uuid_of
from tests.acceptance.parallel import together
from tests.acceptance.system import System, until
from tests.chaos.faults import LOSS, SLOW_S
from tests.faults.conftest import Proxied

LASTS_S = 60
WORDS = " ".join(["word"] * 40)  # four seconds of work: longer than a lease of these tests


@pytest.mark.timeout(LASTS_S + 180)
def test_a_slow_redis_slows_and_doubles_nothing(
    proxied: Proxied, new_caller: Callable[[System], Caller]
) -> None:
    caller = new_caller(proxied.system)
    assert caller.chat().status_code == 200
    statuses, jobs = Counter[int](), list[str]()

    def call(number: int) -> str:
        if number % 4 == 0:
            answer = caller.chat(f"sync {number}")
            statuses[answer.status_code] += 1
            return answer.headers["X-Genie-Job-Id"]
        return caller.submit(WORDS if number % 4 == 1 else f"async {number}", model="echo-slow")

    proxied.slow(SLOW_S, loss=LOSS)
    ends_s = time.monotonic() + LASTS_S
    while time.monotonic() < ends_s:
        jobs += together(8, call)
    proxied.slow(0.0)

    assert set(statuses) == {200}, statuses
    assert {caller.ended(job, limit_s=90)["status"] for job in jobs} == {"completed"}
    ((attempts,),) = proxied.system.sql(
        "SELECT count(*) FROM jobs_attempt WHERE job_id = ANY(%s)", [uuid_of(job) for job in jobs]
    )
    assert attempts == len(jobs)  # the leases are PostgreSQL's
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert proxied.system.verify_ledger()["clean"]
