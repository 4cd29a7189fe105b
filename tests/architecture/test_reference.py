"""The pages of the reference that are made from the code are those that are committed, and say enough."""

import doctest
import re
from types import ModuleType

import pytest

from inference.errors import InferenceError
from jobs.states import FailureCode
from tests.reference import errors, markdown, notes, pages, variables


@pytest.mark.parametrize("name", pages.PAGES)
def test_the_committed_page_is_what_the_code_says(name: str) -> None:
    committed = pages.DOCS / name

    assert committed.exists(), "run `make reference`"
    assert committed.read_text("utf-8") == pages.PAGES[name](), "run `make reference`, and look"


def test_every_setting_says_what_it_is_for() -> None:
    silent = [one.name for one in variables.found() if not one.meaning]

    assert silent == [], "write it in a comment beside the setting, or above it"


def test_the_settings_are_found() -> None:
    found = {one.name: one for one in variables.found()}

    assert found["DATABASE_URL"].default == "**required**"
    assert found["GENIE_UPLOAD_LIMIT_BYTES"].default == "`26214400` (25 MiB)"
    assert found["GENIE_FILES_DIR"].default == "`files` in `GENIE_STATE_DIR`"
    assert found["GENIE_STALL_VIDEO_S"].unit == "seconds"
    assert found["GENIE_WORKER_SLOTS"].section == "Read by workers and tools"


def test_every_line_of_a_table_says_something() -> None:
    made = {
        f"reference/{name}.md"
        for name in ("settings", "errors", "metrics", "models-toml", "topology", "commands")
    }

    empty = [
        (name, line)
        for name in made
        for line in (pages.DOCS / name).read_text("utf-8").splitlines()
        if line.startswith("| `") and re.search(r"\|\s*\|$", line)
    ]

    assert empty == []


def test_every_code_that_a_worker_gives_is_one_that_jobs_end_with() -> None:
    codes = {one.code for one in errors._below(InferenceError)}

    assert codes - {str(code) for code in FailureCode} == {"model-not-found"}  # refused before


@pytest.mark.parametrize("module", [markdown, notes])
def test_the_examples_beside_the_code_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)

    assert found.attempted > 0
    assert found.failed == 0
