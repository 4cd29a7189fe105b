"""The zoo's oracle can fail: each promise, broken in otherwise good evidence, is told as a breach."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.zoo import oracle
from tests.zoo.oracle import DELIVERED, Arrival, Ended, Evidence, Published, Wait, fails

EXPECTED = {"fast": DELIVERED, "broken": fails("http-500"), "inside": fails("blocked-address")}


def good() -> Evidence:
    """Return what a campaign without a fault leaves: a kill and its second POST among it."""
    published = [
        *(Published(id=f"c{n}", animal="fast", digest="d", at=n) for n in range(20)),
        *(Published(id=f"m{n}", animal="fast", digest="d", at=100 + n, phase="mixed") for n in range(20)),
        Published(id="b", animal="broken", digest="e", at=100, phase="mixed"),
        Published(id="i", animal="inside", digest="f", at=100, phase="mixed"),
        Published(id="r", animal="fast", digest="g", at=100, phase="mixed", committed=False),
    ]  # fmt: skip
    return Evidence(
        published=published,
        arrivals=[
            *(Arrival(animal="fast", id=one.id, at=one.at + 0.05, digest="d") for one in published[:40]),
            Arrival(animal="fast", id="m7", at=140, digest="d"),  # again, after a kill
            *(Arrival(animal="broken", id="b", at=101 + n, digest="e") for n in range(4)),
        ],
        ended=[
            *(Ended(id=one.id, state="delivered", reason=None, recorded=1) for one in published[:40]),
            Ended(id="b", state="failed", reason="http-500", recorded=4),
            Ended(id="i", state="failed", reason="blocked-address", recorded=1),
        ],
        waits=[
            Wait(id="b", failures=n, planned_s=s) for n, s in enumerate(oracle.WAITS_S, start=1)
        ],
        expected=EXPECTED,
        unseen=("inside",),
        good=("fast",),
    )  # fmt: skip


def changed(evidence: Evidence, name: str, id_: str, **fields: Any) -> Evidence:
    """Return the evidence with the first entry of this id changed."""
    entries: list[Any] = list(getattr(evidence, name))
    at = next(n for n, one in enumerate(entries) if one.id == id_)
    entries[at] = dataclasses.replace(entries[at], **fields)
    return replaced(evidence, name, entries)


def without(evidence: Evidence, name: str, id_: str) -> Evidence:
    entries: Sequence[Any] = getattr(evidence, name)
    return replaced(evidence, name, [one for one in entries if one.id != id_])


def replaced(evidence: Evidence, name: str, entries: Any) -> Evidence:
    fields: dict[str, Any] = {name: entries}
    return dataclasses.replace(evidence, **fields)


def with_arrival(evidence: Evidence, arrival: Arrival) -> Evidence:
    return dataclasses.replace(evidence, arrivals=[*evidence.arrivals, arrival])


def slowed(evidence: Evidence, by_s: float) -> Evidence:
    late = [
        dataclasses.replace(one, at=one.at + by_s) if one.id.startswith("m") else one
        for one in evidence.arrivals
    ]
    return dataclasses.replace(evidence, arrivals=late)


def test_evidence_without_a_fault_is_no_breach() -> None:
    assert oracle.judge(good()) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        # Leases that do not lapse: what a killed worker had claimed stays claimed, for ever.
        (lambda e: changed(e, "ended", "m7", state="pending", recorded=0), "m7 to fast never ended"),
        (lambda e: without(e, "ended", "m7"), "m7 to fast is lost"),
        (lambda e: changed(e, "ended", "m7", state="failed", reason="http-500", recorded=4), "m7 to fast ended failed"),
        (lambda e: changed(e, "ended", "i", reason="timeout", recorded=4), "i to inside ended failed: timeout"),
        (lambda e: changed(e, "ended", "b", recorded=3), "after 3 attempts on record, not 4"),
        (lambda e: changed(e, "ended", "b", recorded=5), "after 5 attempts on record, not 4"),
        (lambda e: changed(e, "ended", "m7", id="x"), "x is in the database, and nobody committed it"),
        (lambda e: changed(e, "waits", "b", planned_s=4.0), "waits 4.00 s after failure 1, not 5 s"),
        (lambda e: changed(e, "arrivals", "m7", digest="z"), "with other bytes"),
        (lambda e: changed(e, "arrivals", "m7", id="z"), "which nobody published"),
        (lambda e: changed(e, "arrivals", "m7", id=""), "a POST without an id, which nobody published"),
        (lambda e: changed(e, "arrivals", "m7", same_id=False), "with another webhook-id"),
        (lambda e: changed(e, "arrivals", "m7", native=False), "X-Genie-Signature that does not verify"),
        (lambda e: changed(e, "arrivals", "m7", standard=False), "which the standardwebhooks package"),
        (lambda e: changed(e, "arrivals", "m7", animal="broken"), "which was for fast"),
        (lambda e: without(e, "arrivals", "m8"), "m8 stands as delivered, and fast never got it"),
        (
            lambda e: with_arrival(e, Arrival(animal="fast", id="r", at=101, digest="g")),
            "got r, whose transaction rolled back",
        ),
        (
            lambda e: with_arrival(e, Arrival(animal="inside", id="i", at=101, digest="f")),
            "inside was talked to",
        ),
        (lambda e: dataclasses.replace(e, canary=1), "1 connections at the canary"),
        (lambda e: slowed(e, by_s=0.2), "p95 is 0.250 s beside the bad ones, 0.050 s without"),
    ],
)  # fmt: skip
def test_each_broken_promise_is_a_breach(spoil: Callable[[Evidence], Evidence], said: str) -> None:
    assert any(said in breach for breach in oracle.judge(spoil(good())))


def test_a_p95_below_the_noise_is_compared_with_the_noise() -> None:
    assert oracle.judge(slowed(good(), by_s=0.1)) == []


def test_the_table_counts_what_came_again() -> None:
    rows = {row.animal: row for row in oracle.table(good())}

    assert (rows["fast"].events, rows["fast"].posts, rows["fast"].twice) == (40, 41, 1)
    assert (rows["broken"].failed, rows["broken"].reasons) == (1, "http-500 1")
