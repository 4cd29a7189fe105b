"""Every patch that takes a guard away applies to the code as it is, and names tests that exist."""

import subprocess
from pathlib import Path

import pytest

from tests.mutants import __main__ as mutants
from tests.mutants import table
from tests.mutants.__main__ import BASE_DIR, DoesNotApplyError, Edit, Guard

GUARDS = mutants.load(BASE_DIR / "tests" / "mutants" / "guards.toml")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_it_applies_and_changes_something(guard: Guard) -> None:
    for whole, now in mutants.without(guard, BASE_DIR).values():
        assert whole != now
    assert all((BASE_DIR / test.partition("::")[0]).exists() for test in guard.tests)


def test_no_two_have_one_name() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize("text", ["nothing of it", "a guard, and again a guard"])
def test_a_patch_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(DoesNotApplyError):
        Edit(file="any.py", old="guard", new="").apply(text)


def test_a_test_that_hangs_has_noticed() -> None:
    said = "tests/test_a.py::test_one PASSED [ 50%]\ntests/test_a.py::test_two \n+++ Timeout +++\n"
    ended = subprocess.CompletedProcess(args=[], returncode=1, stdout=said, stderr="")
    assert mutants._first_red(ended) == "tests/test_a.py::test_two"
    for status in (0, 2, 4, 5):  # nothing failed, or nothing ran
        ended = subprocess.CompletedProcess(args=[], returncode=status, stdout=said, stderr="")
        assert mutants._first_red(ended) == ""


def test_a_copy_is_whole_again_after_its_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")  # it has no Django
    (tmp_path / "code_under_test.py").write_text("ANSWER = 42\n", "utf-8")
    (tmp_path / "test_it.py").write_text(
        "from code_under_test import ANSWER\n\n\ndef test_it() -> None:\n    assert ANSWER == 42\n",
        "utf-8",
    )
    edit = Edit(file="code_under_test.py", old="42", new="41")
    guard = Guard(name="the answer", edits=[edit], tests=["test_it.py"])

    verdict = mutants.judge(guard, tmp_path)

    assert verdict.caught_by == "test_it.py::test_it"
    assert (tmp_path / "code_under_test.py").read_text("utf-8") == "ANSWER = 42\n"


def test_a_run_of_some_leaves_the_rows_of_the_others(tmp_path: Path) -> None:
    page = tmp_path / "mutants.md"
    assert table.read(page) == {}
    page.write_text(table.text(["a", "b", "gone"], {"a": "test_a.py::x[|]", "gone": "y"}), "utf-8")
    assert "Not judged yet: 1." in page.read_text("utf-8")

    now = table.text(["a", "new", "b"], table.read(page) | {"b": ""})

    assert [line for line in now.splitlines() if line.startswith("|")][2:] == [
        "| a | `test_a.py::x[|]` |",
        "| new | not judged yet |",
        "| b | **nothing** |",
    ]
    assert now.endswith("A test notices 1 of 2. Not judged yet: 1.\n")
