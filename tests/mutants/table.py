"""The table of what the tests said, in Markdown; a run that judged some guards leaves the others' rows."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROW = re.compile(r"^\| (.+?) \| (?:`(.+)`|\*\*nothing\*\*) \|$", re.MULTILINE)
_HEAD = """\
# Guards, and the tests that notice when one is gone

Written by `make mutants`: each guard is taken away in a scratch copy, and the tests that are
named for it run. The second column is the first that failed.

| guard taken away | turned red |
| --- | --- |
"""


def read(path: Path) -> dict[str, str]:
    """Return the first red test of each guard that the table has; empty where none was."""
    if not path.exists():
        return {}
    return {row[1]: row[2] or "" for row in _ROW.finditer(path.read_text("utf-8"))}


def text(names: Sequence[str], caught_by: Mapping[str, str]) -> str:
    """Return the document: a row for each of these guards, in their order, judged or not.

    Args:
        names: Of all guards that there are.
        caught_by: The first red test of those that were judged; empty where none was.
    """
    rows = "".join(f"| {name} | {_cell(caught_by.get(name))} |\n" for name in names)
    judged = [name for name in names if name in caught_by]
    noticed = sum(bool(caught_by[name]) for name in judged)
    told = f"A test notices {noticed} of {len(judged)}."
    if waiting := len(names) - len(judged):
        told += f" Not judged yet: {waiting}."
    return f"{_HEAD}{rows}\n{told}\n"


def _cell(caught_by: str | None) -> str:
    if caught_by is None:
        return "not judged yet"
    return f"`{caught_by}`" if caught_by else "**nothing**"
