"""A model that another server runs has no files and no memory here."""

import sys

import pytest

from inference import downloads, files, inspection
from inference.downloads import PullFailed
from inference.memory import of_this_process
from tests.unit.inference.specs import echo_spec

REMOTE = echo_spec("far", backend="openai", source="http://gpu7:8000/v1")


def test_is_looked_for_nowhere() -> None:
    assert files.directory_of(REMOTE) is None


def test_has_nothing_that_could_be_wrong() -> None:
    found = inspection.inspect(REMOTE)

    assert (found.problems, found.weight_bytes) == ((), 0)


def test_cannot_be_pulled() -> None:
    with pytest.raises(PullFailed, match="are with its server"):
        downloads.pull(REMOTE)


def test_takes_no_memory_and_loads_no_torch_to_find_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inference.backends.devices", None)  # an import would raise

    assert of_this_process(budget_bytes=None, pinned=()).estimate_bytes(REMOTE) == 0
