"""What a worker serves, from its topology entry and the models file."""

import pytest

from inference.errors import UnknownModel
from inference.registry import Registry
from inference.types import Modality
from jobs import assignment
from tests.unit.inference.specs import echo_spec

REGISTRY = Registry(
    [
        echo_spec("small", aliases=("lite",), max_batch=4),
        echo_spec("other", max_batch=8),
        echo_spec("kept", pinned=True),
        echo_spec("big", queue="big-alone", max_batch=2),
        echo_spec("painter", modality=Modality.IMAGE, max_batch=1),
    ]
)


def test_an_entry_without_models_serves_all_of_its_queues() -> None:
    mine = assignment.assign(["chat", "image"], REGISTRY)

    assert mine.models is None
    assert mine.resident == {"chat": ("small", "kept"), "image": ("painter",)}
    assert mine.pinned == ("kept",)
    assert mine.slots == {"chat": 8, "image": 1}


def test_an_entry_with_models_has_all_of_them_from_the_start() -> None:
    mine = assignment.assign(["chat"], REGISTRY, models=["lite", "other"], pinned=["other"])

    assert mine.models == ("small", "other")
    assert mine.resident == {"chat": ("small", "other")}
    assert mine.pinned == ("other",)


def test_a_model_with_a_queue_of_its_own_is_served_there_alone() -> None:
    mine = assignment.assign(["big-alone"], REGISTRY)

    assert (mine.resident, mine.slots) == ({"big-alone": ("big",)}, {"big-alone": 2})


def test_a_queue_without_models_has_a_slot_and_nothing_to_load() -> None:
    mine = assignment.assign(["video"], REGISTRY, slots=None)

    assert (mine.resident, mine.slots) == ({"video": ()}, {"video": 1})


def test_slots_of_the_entry_count() -> None:
    assert assignment.assign(["chat"], REGISTRY, slots=3).slots == {"chat": 3}


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownModel):
        assignment.assign(["chat"], REGISTRY, pinned=["none"])
