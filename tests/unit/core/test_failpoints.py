"""A failpoint kills whoever reaches it, once if a file says so; without the variable it is nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genie.core import env, failpoints

REACH = "from genie.core import failpoints as f; f.reach('before_settle'); print('alive')"


def _run(failpoint: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", REACH],
        env={"GENIE_FAILPOINTS": failpoint, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_who_reaches_it_is_killed() -> None:
    assert _run("before_settle:kill").returncode == -signal.SIGKILL


def test_with_a_file_it_happens_once(tmp_path: Path) -> None:
    once = tmp_path / "once"
    once.touch()
    assert _run(f"before_settle:kill:{once}").returncode == -signal.SIGKILL
    assert not once.exists()
    assert _run(f"before_settle:kill:{once}").stdout == "alive\n"


def test_other_points_and_no_points_do_nothing() -> None:
    assert _run("after_post:kill").stdout == "alive\n"
    assert failpoints.parse("") == {}
    assert failpoints.reach is failpoints._pass


@pytest.mark.parametrize("text", ["nowhere:kill", "before_settle", "before_settle:sleep"])
def test_what_it_does_not_know_it_refuses(text: str) -> None:
    with pytest.raises(env.SettingError, match="GENIE_FAILPOINTS"):
        failpoints.parse(text)
