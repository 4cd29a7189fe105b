"""A worker's pulse, and the probe that feels it."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from genie.core import pulse

PROBE = Path(__file__).resolve().parents[3] / "deploy" / "pulse.sh"


@pytest.fixture
def directory(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.GENIE_PULSE_DIR = str(tmp_path / "pulse")
    monkeypatch.setenv("GENIE_WORKER_NAME", "gpu0")
    return tmp_path / "pulse"


def probe(directory: Path, *words: str) -> tuple[bool, str]:
    done = subprocess.run(
        ["/bin/sh", str(PROBE), *words],
        env={"PATH": os.environ["PATH"], "GENIE_PULSE_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout.strip()


def test_a_worker_lives_from_its_first_beat(directory: Path) -> None:
    assert probe(directory) == (False, "no worker has begun")

    pulse.beat(ready=False)

    assert probe(directory) == (True, "")
    assert probe(directory, "ready") == (False, "gpu0 is loading its models")


def test_a_worker_is_ready_once_its_models_are_loaded(directory: Path) -> None:
    pulse.beat(ready=False)
    pulse.beat(ready=True)

    assert probe(directory, "ready") == (True, "")
    assert [one.name for one in directory.iterdir()] == ["gpu0"]


def test_one_silent_worker_of_several_is_told_of(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse.beat(ready=True)
    silent = time.time() - 90
    os.utime(directory / "gpu0", (silent, silent))
    monkeypatch.setenv("GENIE_WORKER_NAME", "gpu1")
    pulse.beat(ready=True)

    lives, said = probe(directory)

    assert not lives
    assert said.startswith("gpu0 was last seen 9")


def test_a_disk_that_is_full_costs_nobody_a_job(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.GENIE_PULSE_DIR = str(tmp_path / "file" / "below")

    pulse.beat(ready=True)

    assert not (tmp_path / "file" / "below").exists()


def test_nobody_is_asked_for_one(settings: Settings, tmp_path: Path) -> None:
    settings.GENIE_PULSE_DIR = ""

    pulse.beat(ready=True)

    assert list(tmp_path.iterdir()) == []
