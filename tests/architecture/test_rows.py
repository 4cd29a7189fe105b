"""The table of the two matrices has every row, and names tests that there are."""

import re
from pathlib import Path

import pytest

from tests.chaos.plan import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reliability-rows.md"
BAD_INPUTS, FAULTS = 79, 55
_ROW = re.compile(r"^\| ([BF]\d+) \| (.+?) \| (.*?) \| (.*) \|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/.]+\.py)::(\w+)`")
_FAULT = re.compile(r"`([a-z-]+)`")  # `make chaos` has a space

ROWS = {row: (remarks, shown) for row, _, remarks, shown in _ROW.findall(PAGE.read_text())}


def test_every_row_is_there_in_its_order() -> None:
    bad_inputs = [f"B{number}" for number in range(1, BAD_INPUTS + 1)]
    faults = [f"F{number}" for number in range(1, FAULTS + 1)]

    assert list(ROWS) == [*bad_inputs, *faults]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_shown_by_something_that_there_is_or_says_why_not(row: str) -> None:
    remarks, shown = ROWS[row]
    tests, faults = _TEST.findall(shown), _FAULT.findall(remarks)

    assert tests or faults or "does not arise" in remarks or "`make zoo`" in remarks
    for path, name in tests:
        source = (ROOT / "tests" / path).read_text()
        assert re.search(rf"^\s*def {name}\(", source, re.MULTILINE), f"{path} has no {name}"
    for fault in faults:
        assert fault in KINDS, f"no campaign does {fault}"
        assert row in KINDS[fault].rows.split(), f"{fault} is not said to be of {row}"


def test_every_fault_of_a_campaign_is_of_a_row_that_names_it() -> None:
    assert {
        (fault, row)
        for fault, kind in KINDS.items()
        for row in kind.rows.split()
        if f"`{fault}`" not in ROWS[row][0]
    } == set()
