"""The table of states is closed and says what the design says."""

import itertools

import pytest

from jobs import states
from jobs.states import TERMINAL, TRANSITIONS, JobState

_DESIGN = {
    *itertools.product(["queued"], ["running", "cancelled", "timeout", "failed"]),
    *itertools.product(["running"], ["completed", "failed", "cancelled", "timeout", "queued"]),
}


class TestTransitions:
    def test_every_state_has_its_row(self) -> None:
        assert set(TRANSITIONS) == set(JobState)

    @pytest.mark.parametrize("source", list(JobState))
    @pytest.mark.parametrize("target", list(JobState))
    def test_each_pair_is_as_designed(self, source: JobState, target: JobState) -> None:
        assert (target in TRANSITIONS[source]) == ((source, target) in _DESIGN)

    def test_nothing_leaves_a_terminal_state(self) -> None:
        assert {state for state in JobState if not TRANSITIONS[state]} == TERMINAL
        assert {state for state in JobState if states.is_terminal(state)} == TERMINAL

    def test_every_state_can_be_reached_from_queued(self) -> None:
        reached = {JobState.QUEUED}
        for _ in JobState:
            reached |= {target for state in reached for target in TRANSITIONS[state]}

        assert reached == set(JobState)

    def test_every_kind_has_a_prefix_and_an_object(self) -> None:
        assert set(states.ID_PREFIXES) == set(states.OBJECTS) == set(states.JobKind)
