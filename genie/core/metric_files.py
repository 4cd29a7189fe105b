"""The files in which the processes of one machine count, and their sum. See Note [Metrics of several processes].

The format is prometheus_client's. A process that has ended leaves its files, since what it counted
has happened; they are folded into one, so that restarts do not pile up. The directory belongs to
one machine, or one container: whether a process lives is asked by its pid.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from genie.core import env

_LIBRARY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client reads it
_FOLDED = 0  # stands for the pids of all that have ended
_HEADER_BYTES = 8  # a file that is shorter is just being made

logger = logging.getLogger(__name__)


def directory() -> Path | None:
    """Return where the processes of this machine count; None if each counts for itself."""
    # Where the processes of one machine count together; empty: each counts for itself.
    named = env.text("GENIE_METRICS_DIR", "")
    return Path(named) if named else None


def prepare() -> Path | None:
    """Make the directory and tell prometheus_client of it; None where none is named or usable.

    A directory that cannot be written costs numbers, never a start.
    """
    where = directory()
    if where is None:
        return None
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(where):
            pass
    except OSError as error:
        logger.warning("Metrics stay in memory: %s is not usable (%s)", where, error.strerror)
        return None
    os.environ[_LIBRARY_VARIABLE] = str(where)
    return where


def read(where: Path) -> Iterable[Metric]:
    """Return the sums over all processes that count there, those that have ended included."""
    with _locked(where):
        _fold(where)
        files = [str(one) for one in where.glob("*.db") if one.stat().st_size > _HEADER_BYTES]
        found: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)
        return found


def _fold(where: Path) -> None:
    """Add the files of processes that have ended to one file for each type, and remove them."""
    ended: dict[str, list[Path]] = {}
    for file in where.glob("*.db"):
        kind, _, pid = file.stem.rpartition("_")
        if pid.isdecimal() and int(pid) != _FOLDED and not _lives(int(pid)):
            ended.setdefault(kind, []).append(file)
    for kind, files in ended.items():
        folded = where / f"{kind}_{_FOLDED}.db"
        _write(folded, _sums([*files, *([folded] if folded.exists() else [])]))
        for file in files:  # a crash here would count these twice, once; there is no better order
            file.unlink()


def _sums(files: Sequence[Path]) -> Mapping[str, float]:
    sums: dict[str, float] = {}
    for file in files:
        if file.stat().st_size > _HEADER_BYTES:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
                sums[key] = sums.get(key, 0.0) + value
    return sums


def _write(file: Path, sums: Mapping[str, float]) -> None:
    scratch = file.with_suffix(".scratch")
    scratch.unlink(missing_ok=True)
    with contextlib.closing(MmapedDict(str(scratch))) as values:
        for key, value in sums.items():
            values.write_value(key, value, 0.0)
    scratch.replace(file)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _locked(where: Path) -> Iterator[None]:
    """Hold the directory against others that read and fold; those that count are not held up."""
    with (where / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
