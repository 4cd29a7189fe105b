"""Checks what this process was given: secrets and settings, the storage of files, room on disks."""

import contextlib
import errno
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from genie.core import key_strength
from jobs import storage
from jobs.diagnosis import findings
from jobs.diagnosis.findings import Finding

_LEAST_BYTES = 1 << 30
_LEAST_PART = 0.05


def secrets() -> Iterator[Finding]:
    """Look whether secrets are set and strong, and whether settings are those of a production."""
    found = [one for one in checks.run_checks(include_deployment_checks=settings.PRODUCTION)
             if not one.is_silenced()]  # fmt: skip
    for one in found:
        make = findings.wrong if one.is_serious(checks.ERROR) else findings.note
        yield make("settings", one.msg, one.hint or "Correct the setting that is named.")
    if not settings.PRODUCTION:
        yield from _placeholders()
        yield findings.note(
            "settings", "This is no production: GENIE_ENVIRONMENT is "
            f"{settings.ENVIRONMENT!r}, and some rules are looser.",
            "Set GENIE_ENVIRONMENT=production before it faces others.",
        )  # fmt: skip
    elif not found:
        yield findings.ok("settings", "Secrets are set and strong; settings are a production's.")


def _placeholders() -> Iterator[Finding]:
    """Tell of secrets that would stop the start of a production."""
    for name, secret in (
        ("GENIE_SECRET_KEY", settings.SECRET_KEY),
        ("GENIE_KEY_PEPPER", settings.GENIE_KEY_PEPPER.decode(errors="replace")),
    ):
        if key_strength.is_placeholder(secret):
            yield findings.note(
                "settings", f"{name} can be guessed.",
                "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
            )  # fmt: skip


def files() -> Iterator[Finding]:
    """Write a file to the storage, read it and remove it again."""
    store, name = storage.files(), f"doctor/{uuid.uuid4().hex}"
    try:
        same = _round_trip(store, name)
    except OSError as error:
        yield findings.wrong("files", _refused(error), _ROOM if error.errno in _FULL else _FILES)
        return
    if same:
        yield findings.ok("files", "The storage of files takes, gives back and removes a file.")
    else:
        yield findings.wrong("files", "The storage gives back other bytes than it took.", _FILES)


def _round_trip(store: Storage, name: str) -> bool:
    """Return whether what was stored comes back as it was; nothing of it stays."""
    try:
        saved = store.save(name, ContentFile(b"genie"))
        with store.open(saved) as kept:
            same = bool(kept.read() == b"genie")
    except OSError:
        with contextlib.suppress(OSError):  # what was raised before says more
            store.delete(name)
        raise
    store.delete(saved)
    return same


def _refused(error: OSError) -> str:
    """Return one sentence of what the storage answered: its place, and its reason in words."""
    place = settings.GENIE_FILES_BUCKET or settings.GENIE_FILES_DIR
    if error.errno in _FULL:
        return f"The storage of files is full: nothing can be written at {place}."
    reason = error.strerror or str(error) or type(error).__name__
    return f"The storage of files at {place} refuses a file: {reason.rstrip('.')}."


_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOM = (
    "Make room, or `manage.py jobs purge --older-than 30d`; until then jobs whose result is a file"
    " fail, and all others go on."
)
_FILES = "Look at GENIE_FILES_DIR or GENIE_FILES_BUCKET, and at who may write there."


def disks() -> Iterator[Finding]:
    """Look how much room the disks have that this machine writes to."""
    places = {Path(settings.BASE_DIR)}
    if not settings.GENIE_FILES_BUCKET:
        places.add(_existing(Path(settings.GENIE_FILES_DIR)))
    for place in sorted(places):
        usage = shutil.disk_usage(place)
        said = f"{usage.free / (1 << 30):.1f} of {usage.total / (1 << 30):.1f} GiB are free at {place}."
        if usage.free < _LEAST_BYTES:
            yield findings.wrong("disks", said, "Make room: results and logs are written there.")
        elif usage.free < _LEAST_PART * usage.total:
            yield findings.note("disks", said, "Make room before it is full.")
        else:
            yield findings.ok("disks", said)


def _existing(path: Path) -> Path:
    """Return the nearest directory that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
