"""Journey: what pages of the documentation show is run word for word, as a reader would type it."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import documents
from tests.acceptance.callers import Caller
from tests.acceptance.models_file import needs_tiny_chat
from tests.acceptance.system import System

NEEDED = ("bash", "curl", "jq")
RUN = "run: "  # begins the comment above each block that is run
# What a reader sees on the way, in this order.
PAGES = {
    "quickstart.md": ("Paris", "[DONE]", "cold", "sk-genie-acme-", "completed"),
    "how-to/migrate-from-openai-batch.md": ("capital", "Paris", "opposite", "cold"),
    "how-to/migrate-from-litellm.md": ("Paris",),
}
# Stands where a reader's Python is: what it is told to run is run by the process for commands.
PYTHON = """#!/bin/sh
shift  # manage.py
printf '%s\\n' "$@" >asked
cat answered
"""


@needs_tiny_chat
@pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)} on the machine"
)
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_works(
    page: str,
    caller: Caller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown = [one for one in documents.blocks(documents.DOCS / page) if one.note.startswith(RUN)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENIE", caller.system.base_url)
    monkeypatch.setenv("KEY", caller.key)
    capfd.readouterr()

    with _started(caller, tmp_path):
        _type([one.text for one in shown if one.language == "sh"])
        for one in shown:
            if one.language == "python":
                exec(compile(one.text, one.place, "exec"), {})  # noqa: S102 - the page's own example

    said = capfd.readouterr()
    place = 0
    for seen in PAGES[page]:
        place = said.out.find(seen, place)
        assert place >= 0, f"{seen!r} is not seen in:\n{said.out}\n{said.err}"


@contextlib.contextmanager
def _started(caller: Caller, directory: Path) -> Iterator[None]:
    """Make a directory look as if `make up` ran in it; commands that are typed there reach the system."""
    state, programs = directory / ".genie", directory / ".venv" / "bin"
    state.mkdir()
    programs.mkdir(parents=True)
    run = {"base_url": caller.system.base_url, "api_key": caller.key}
    (state / "run.json").write_text(json.dumps(run), "utf-8")
    (programs / "python").write_text(PYTHON, "utf-8")
    (programs / "python").chmod(0o755)
    for name in ("asked", "answered"):
        os.mkfifo(directory / name)
    thread = threading.Thread(target=_answer, args=[caller.system, directory])
    thread.start()
    try:
        yield
    finally:
        (directory / "asked").write_text("", "utf-8")  # nothing asked: the end
        thread.join(30)


def _answer(system: System, directory: Path) -> None:
    """Run each command that is asked for, until none is."""
    while argv := (directory / "asked").read_text("utf-8").splitlines():
        try:
            told = str(system.run_command(*argv))
        except AssertionError as error:
            told = str(error)
        (directory / "answered").write_text(told, "utf-8")


def _type(texts: Sequence[str]) -> None:
    """Run what is shown for a shell, in one shell; what it prints is seen by the test."""
    if texts:
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(texts)],  # noqa: S607 - as a reader has it
            env={**os.environ, "no_proxy": "127.0.0.1"},
            timeout=90,
            check=True,
        )
