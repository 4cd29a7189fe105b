"""A campaign is its seed: the same faults and the same calls, whatever ran before."""

from collections import Counter

from tests.chaos.plan import KINDS, ORGANIZATIONS, Plan, call, marker, schedule

PLAN = Plan(seed=7, jobs=500, receivers={"fast-1": 1})


def test_the_same_seed_gives_the_same_faults_and_calls() -> None:
    assert schedule(PLAN) == schedule(Plan(seed=7, jobs=500))
    assert schedule(PLAN) != schedule(Plan(seed=8, jobs=500))
    assert call(PLAN, 41) == call(PLAN, 41)
    assert call(PLAN, 41).text.split()[0] == marker(41)


def test_every_kind_of_fault_comes_in_time_and_none_overlaps_on_its_target() -> None:
    planned = schedule(PLAN)
    assert len(planned) == PLAN.faults
    assert {one.kind for one in planned} == set(KINDS)
    assert [one.at_s for one in planned] == sorted(one.at_s for one in planned)
    free: dict[str, float] = {}
    for one in planned:
        assert one.at_s >= free.get(one.target, 0.0), one
        free[one.target] = one.at_s + one.lasts_s


def test_the_load_has_every_mode_contract_and_habit() -> None:
    calls = [call(PLAN, number) for number in range(2_000)]
    seen = Counter((one.facade, one.mode, one.kind) for one in calls)
    assert len(seen) == 11
    assert {one.then for one in calls} == {"leave", "poll", "watch", "cancel", "disconnect"}
    assert {one.organization for one in calls} == set(range(ORGANIZATIONS))
    assert any(one.posts > 1 for one in calls)
    assert any(one.webhook for one in calls)
    keys = [one.key for one in calls if one.key]
    assert len(keys) == len(set(keys))
