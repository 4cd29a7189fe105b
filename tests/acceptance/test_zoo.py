"""The zoo at a small size: every kind of receiver, two workers killed, and an oracle that must be silent."""

from pathlib import Path

import pytest

from tests.zoo import campaign, oracle
from tests.zoo.campaign import Plan

# An attempt's whole time and what a lease has on top of it, at a tenth: a hanging receiver takes four
# attempts, and what a killed worker had claimed waits for its lease.
TIMES = {"GENIE_WEBHOOK_ATTEMPT_S": "1", "GENIE_WEBHOOK_LEASE_MARGIN_S": "2"}


@pytest.mark.timeout(240)
def test_two_hundred_events_and_two_kills_break_no_promise(tmp_path: Path) -> None:
    evidence = campaign.run(tmp_path, Plan(events=200, seed=4, kills=2, limit_s=120, env=TIMES))

    assert oracle.judge(evidence) == []
    assert {row.animal for row in oracle.table(evidence)} >= set(campaign.ANIMALS)
    assert any(not one.committed for one in evidence.published)
    assert evidence.waits
