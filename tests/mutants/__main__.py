"""Take each guard away in a scratch copy, and see that the tests which are named for it turn red.

    python -m tests.mutants [--only WORDS]... [--write docs/mutants.md]

The exit status is 1 if any guard could go without a test noticing, and 2 if a patch does not apply.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.mutants import table

BASE_DIR = Path(__file__).resolve().parents[2]
LIMIT_S = 600
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_BEGUN = re.compile(r"^(\S+::\S+)", re.MULTILINE)
_GIVEN_UP = "+++ Timeout +++"
# A test that hangs without its guard has noticed; it need not take the usual limit to say so.
_OPTIONS = ("-x", "-v", "-p", "no:cacheprovider", "-o", "timeout=60")
_TESTS_FAILED = 1  # pytest's exit status; others mean that nothing was tested


class DoesNotApplyError(Exception):
    """The text that a patch replaces is not in its file, or more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One replacement in one file."""

    file: str
    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return the text without the guard.

        Raises:
            DoesNotApplyError: It is not there exactly once.
        """
        count = text.count(self.old)
        if count != 1:
            raise DoesNotApplyError(f"{self.file} has {count} times, not once: {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A guard, how it is taken away, and the tests that must notice."""

    name: str
    edits: Sequence[Edit]
    tests: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the tests said without a guard."""

    guard: Guard
    caught_by: str  # the first test that failed; empty: none did
    status: int
    took_s: float


def load(path: Path) -> list[Guard]:
    """Return the guards of a file."""
    data = tomllib.loads(path.read_text("utf-8"))
    return [
        Guard(
            name=one["name"],
            edits=[
                Edit(file=one["file"], old=one["old"], new=one["new"]),
                *(Edit(file=file, old=old, new=new) for file, old, new in one.get("also", [])),
            ],
            tests=one["tests"],
        )
        for one in data["guard"]
    ]


def without(guard: Guard, root: Path) -> dict[Path, tuple[str, str]]:
    """Return the files that change, as they are and without the guard.

    Raises:
        DoesNotApplyError: One of its edits does not apply any more.
    """
    changed: dict[Path, tuple[str, str]] = {}
    for edit in guard.edits:
        path = root / edit.file
        whole, now = changed.get(path, (path.read_text("utf-8"),) * 2)
        changed[path] = (whole, edit.apply(now))
    return changed


def judge(guard: Guard, root: Path) -> Verdict:
    """Run the guard's tests in a copy without it; the copy is whole again afterwards."""
    changed = without(guard, root)
    began = time.monotonic()
    try:
        for path, (_, now) in changed.items():
            path.write_text(now, "utf-8")
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, *guard.tests],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    finally:
        for path, (whole, _) in changed.items():
            path.write_text(whole, "utf-8")
    return Verdict(
        guard=guard,
        caught_by=_first_red(ended),
        status=ended.returncode,
        took_s=time.monotonic() - began,
    )


def _first_red(ended: "subprocess.CompletedProcess[str]") -> str:
    """Return the test that failed, or that did not end and was given up with all of them."""
    if ended.returncode != _TESTS_FAILED:
        return ""
    if failed := _FAILED.search(ended.stdout):
        return failed[1]
    begun = _BEGUN.findall(ended.stdout)
    return begun[-1] if begun and _GIVEN_UP in ended.stdout + ended.stderr else ""


def main() -> int:
    """Judge every guard, print a table, and say whether all of them are missed."""
    options = _options()
    console = Console()
    known = load(Path(__file__).with_name("guards.toml"))
    guards = [one for one in known if any(words in one.name for words in options.only)]
    for guard in guards:
        try:
            without(guard, BASE_DIR)
        except (DoesNotApplyError, OSError) as error:
            console.print(f"[red]{guard.name}: {escape(str(error))}[/]")
            return 2
    with tempfile.TemporaryDirectory(prefix="genie-mutants-") as directory:
        root = Path(directory) / "checkout"
        _copy(root)
        verdicts = list(_verdicts(guards, root, console))
    shown = Table("guard taken away", "turned red", "s")
    for one in verdicts:
        caught = escape(one.caught_by) or f"[red]nothing (exit status {one.status})[/]"
        shown.add_row(one.guard.name, caught, f"{one.took_s:.0f}")
    console.print(shown)
    if options.write is not None:
        caught_by = table.read(options.write) | {one.guard.name: one.caught_by for one in verdicts}
        options.write.write_text(table.text([one.name for one in known], caught_by), "utf-8")
    return 0 if all(one.caught_by for one in verdicts) else 1


def _verdicts(guards: Sequence[Guard], root: Path, console: Console) -> Iterator[Verdict]:
    for number, guard in enumerate(guards, start=1):
        verdict = judge(guard, root)
        console.print(
            f"{number}/{len(guards)} {guard.name}: {escape(verdict.caught_by) or '[red]not noticed[/]'}"
        )
        yield verdict


def _copy(root: Path) -> None:
    """Copy what is tracked, and what is about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = BASE_DIR / name, root / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        help="of guards whose name has these words; may be given again",
    )
    parser.add_argument(
        "--write",
        type=Path,
        help="a Markdown file for the table; rows of guards that are not judged now stay",
    )
    options = parser.parse_args()
    options.only = options.only or [""]
    return options


if __name__ == "__main__":
    sys.exit(main())
