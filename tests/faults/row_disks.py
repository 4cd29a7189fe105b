"""F30, F31: the disk is full, under PostgreSQL, Redis's log, result files and our own logs at once."""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.acceptance import system as systems
from tests.acceptance.callers import Caller
from tests.acceptance.system import System, until
from tests.faults.conftest import MODELS, WORKERS

SIZE = "500m"
PIECE = b"\0" * (1 << 20)
WORDS = " ".join(["word"] * 1500)  # fills pages and the write-ahead log soon
MOST = 600  # requests that a full disk may take before one is refused: what has room reserved


@pytest.fixture
def disk() -> Iterator[Path]:
    """Mount a small disk, where PostgreSQL's own user can reach its data too."""
    place = Path(tempfile.mkdtemp(prefix="genie-disk-"))
    place.chmod(0o711)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", str(place)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip(f"not run: no disk can be mounted here ({mounted.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607
        place.rmdir()


def fill(disk: Path) -> Path:
    """Take all that is left."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while file.write(PIECE):
                pass
        except OSError:
            return filler
    return filler


@pytest.mark.timeout(400)
def test_writes_are_refused_and_everything_goes_on_once_there_is_room(
    disk: Path, new_caller: Callable[[System], Caller]
) -> None:
    with systems.running(disk, workers=WORKERS, models=MODELS, strict=False) as system:
        assert str(system.servers.postgres.place.directory).startswith(str(disk))
        caller = new_caller(system)
        assert caller.chat().status_code == 200
        pictures = [_picture(caller) for _ in range(3)]

        filler = fill(disk)
        statuses, accepted = _submit_until_refused(caller, disk)
        filler.unlink()

        assert set(statuses) <= {202, 503}, statuses
        assert statuses[503] >= 10
        system.wait_ready()
        until(lambda: _answers(caller), what="PostgreSQL to write again", limit_s=60)
        jobs = [caller.ended(one, limit_s=60) for one in (*pictures, *accepted)]
        assert Counter(job["status"] for job in jobs) == {"completed": len(jobs)}
        until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
        assert system.verify_ledger()["clean"]


def _picture(caller: Caller) -> str:
    answer = caller.post(
        "/v1/images/generations", {"model": "echo-image", "prompt": "x", "mode": "async"}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _answers(caller: Caller) -> bool:
    try:
        return caller.chat().status_code == 200
    except requests.RequestException:
        return False


def _submit_until_refused(caller: Caller, disk: Path) -> tuple[Counter[int], list[str]]:
    """Submit until ten in a row are refused; return the statuses and the ids of those that were taken."""
    statuses, accepted, refused = Counter[int](), list[str](), 0
    for number in range(MOST):
        fill(disk)  # whatever has become free meanwhile
        if number % 20 == 0:
            answer = caller.post(
                "/v1/images/generations", {"model": "echo-image", "prompt": "x", "mode": "async"}
            )
        else:
            answer = caller.chat(WORDS, mode="async")
        statuses[answer.status_code] += 1
        if answer.status_code == 202:
            accepted.append(str(answer.json()["id"]))
        refused = refused + 1 if answer.status_code == 503 else 0
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["code"] == "unavailable"
        if refused >= 10:
            break
    return statuses, accepted
