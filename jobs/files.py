"""What callers send and jobs make, as bytes in the storage with a row each: the one writer of both.

The row comes before the content and goes after it, so a process that dies in between leaves a row
that the sweep finds. Storing talks to a disk or a bucket: call it with no transaction open.
"""

import dataclasses
import mimetypes
import secrets
import uuid
from collections.abc import Sequence
from typing import BinaryIO

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.base import File as DjangoFile
from django.db import connection

from genie.core import ids, transactions
from inference.types import MediaFile
from jobs import storage
from jobs.states import FileRole

BATCH = 500  # files that one pass removes
# A file whose submission was refused, or whose web process died: nobody is on the way to it any more.
_UNCLAIMED_S = 3600

_EXTENSIONS = {  # those that people know; the standard library has other favourites
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/pcm": ".pcm",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "video/webm": ".webm",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file that has a public address."""

    url: str
    media: MediaFile


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as its public address finds it."""

    name: str  # in the storage
    media_type: str
    size: int


def keep_output(job_id: uuid.UUID, attempt: int, media: MediaFile, *, label: str) -> Stored | None:
    """Store what an attempt has made; None for a ghost, whose job goes on without it.

    ``label`` is what the address ends in for people to read, such as ``video``.
    """
    file_id, token = ids.new_id(), secrets.token_urlsafe(32)
    extension = _extension(media.media_type)
    name = new_name(file_id, media.media_type, FileRole.OUTPUT)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_file (id, organization_id, job_id, attempt, role, token, name, media_type, size,
                 created_at, expires_at)
               SELECT %s, organization_id, id, attempt, 'output', %s, %s, %s, %s, genie_now(),
                 genie_now() + %s * interval '1 second'
               FROM jobs_job WHERE id = %s AND attempt = %s AND state = 'running'""",
            [
                *(file_id, token, name, media.media_type, len(media.content)),
                *(settings.GENIE_FILES_KEPT_S or None, job_id, attempt),
            ],
        )
        if cursor.rowcount == 0:
            return None
    save(name, media.content)
    return Stored(url=f"{settings.GENIE_BASE_URL}/files/{token}/{label}{extension}", media=media)


def keep_input(organization_id: uuid.UUID, content: bytes, *, media_type: str) -> uuid.UUID:
    """Store what a caller sent; it goes in an hour unless a job takes it."""
    file_id = ids.new_id()
    name = new_name(file_id, media_type, FileRole.INPUT)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_file (id, organization_id, role, name, media_type, size, created_at)
               VALUES (%s, %s, 'input', %s, %s, %s, genie_now())""",
            [file_id, organization_id, name, media_type, len(content)],
        )
    save(name, content)
    return file_id


def take_inputs(owners: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Give input files to the jobs that name them: pairs of file and job. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_file f SET job_id = r.job_id FROM unnest(%s::uuid[], %s::uuid[]) AS r(id, job_id)
               WHERE f.id = r.id AND f.role = 'input'""",
            [[file_id for file_id, _ in owners], [job_id for _, job_id in owners]],
        )


def keep_outputs(completed: Sequence[tuple[uuid.UUID, int]]) -> None:
    """Keep what these attempts have made: pairs of job and attempt. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_file f SET kept = true FROM unnest(%s::uuid[], %s::int[]) AS r(job_id, attempt)
               WHERE f.job_id = r.job_id AND f.attempt = r.attempt AND f.role = 'output'""",
            [[job_id for job_id, _ in completed], [attempt for _, attempt in completed]],
        )


def expire_of(job_id: uuid.UUID) -> None:
    """End the lifetime of what a job has made, and with it the addresses. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_file SET expires_at = genie_now() WHERE job_id = %s AND kept", [job_id]
        )


def read_input(job_id: uuid.UUID, file_id: uuid.UUID) -> bytes:
    """Return an input of a job.

    Raises:
        FileNotFoundError: it is gone, or another job's.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM jobs_file WHERE id = %s AND job_id = %s AND role = 'input'",
            [file_id, job_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise FileNotFoundError(f"file {file_id}")
    with storage.files().open(row[0]) as opened:
        content: bytes = opened.read()
    return content


def find_many(tokens: Sequence[str]) -> list[Found | None]:
    """Return the files of public addresses, in order; None where there is none, or no longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT token, name, media_type, size FROM jobs_file
               WHERE token = ANY(%s) AND kept AND (expires_at IS NULL OR expires_at > genie_now())""",
            [list(tokens)],
        )
        found = {
            row[0]: Found(name=row[1], media_type=row[2], size=row[3]) for row in cursor.fetchall()
        }
    return [found.get(token) for token in tokens]


# What no completed job has is kept while its job may still end with it: an input until the end, an
# output while its attempt is the one that runs.
_UNNEEDED = """
SELECT f.id, f.name FROM jobs_file f WHERE f.expires_at <= genie_now()
UNION
SELECT f.id, f.name FROM jobs_file f LEFT JOIN jobs_job j ON j.id = f.job_id
WHERE NOT f.kept AND CASE
    WHEN f.job_id IS NULL THEN f.created_at < genie_now() - %s * interval '1 second'
    WHEN j.id IS NULL OR j.state IN ('completed', 'failed', 'cancelled', 'timeout') THEN true
    ELSE f.attempt < j.attempt END
LIMIT %s
"""


def remove_unneeded() -> int:
    """Remove files that are past their time or that nothing leads to; return how many.

    Safe to run twice at once: content that is gone already is no mistake.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNNEEDED, [_UNCLAIMED_S, BATCH])
        rows = cursor.fetchall()
    for _, name in rows:
        storage.files().delete(name)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM jobs_file WHERE id = ANY(%s::uuid[])", [[row[0] for row in rows]]
        )
    return len(rows)


def save(name: str, content: bytes | BinaryIO) -> None:
    """Store content, from its beginning, under a new name; its row is there already."""
    wrapped = ContentFile(content) if isinstance(content, bytes) else DjangoFile(content)
    saved = storage.files().save(name, wrapped)
    if saved != name:  # a name is an id: it cannot be taken
        raise RuntimeError(f"The storage saved {name} as {saved}.")


def new_name(file_id: uuid.UUID, media_type: str, role: FileRole) -> str:
    """Return a name that spreads over directories: the ids of one day begin alike."""
    text = file_id.hex
    return f"{role}/{text[-2:]}/{text}{_extension(media_type)}"


def _extension(media_type: str) -> str:
    return _EXTENSIONS.get(media_type) or mimetypes.guess_extension(media_type) or ".bin"
