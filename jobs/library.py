"""Files that callers keep here beside any job: what they uploaded, and what their batches answered.

Rows of ``jobs_file`` with the role ``upload``, content in the same storage. They have no address: only
their organisation reads them. A row counts once it is kept, after its content; one whose process died
in between is swept. Storing talks to a disk or a bucket: call it with no transaction open.
"""

import contextlib
import dataclasses
import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import IO, BinaryIO

from django.conf import settings
from django.db import connection

from genie.core import errors, ids, transactions
from jobs import files, storage
from jobs.files import Found
from jobs.states import FileRole

_COLUMNS = "id, organization_id, filename, purpose, name, media_type, size, created_at, expires_at"
_KEPT = "role = 'upload' AND kept AND (expires_at IS NULL OR expires_at > genie_now())"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """Content that is about to be kept."""

    organization_id: uuid.UUID
    content: BinaryIO
    filename: str
    purpose: str
    media_type: str
    lifetime_s: float | None = None  # None: until it is deleted

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.content.seek(0, os.SEEK_END)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that an organisation keeps."""

    id: uuid.UUID
    organization_id: uuid.UUID
    filename: str
    purpose: str
    name: str  # in the storage
    media_type: str
    size: int  # bytes
    created_at: dt.datetime
    expires_at: dt.datetime | None

    @property
    def found(self) -> Found:
        """The file as it is sent."""
        return Found(name=self.name, media_type=self.media_type, size=self.size)


def keep(
    new: NewUpload, *, meant: Callable[[uuid.UUID], uuid.UUID] = lambda file_id: file_id
) -> Upload:
    """Store a file and return it, or the earlier one that the request is a repeat of.

    Args:
        new: The file.
        meant: Called in the transaction that keeps it, with its id: returns which file is meant.

    Raises:
        PayloadTooLarge: The organisation keeps too much already.
        NotFound: The file that is meant has been deleted.
    """
    file_id = store(new, within_quota=True)
    with transactions.transaction():
        named = meant(file_id)
        if named == file_id:  # else what was stored is swept
            keep_many([file_id])
    (kept,) = uploads([(named, new.organization_id)])
    if kept is None:
        raise errors.NotFound("The file of this request has been deleted; send it again.")
    return kept


def store(new: NewUpload, *, within_quota: bool) -> uuid.UUID:
    """Store content that nobody sees, and that is swept in an hour, unless ``keep_many`` keeps it.

    Raises:
        PayloadTooLarge: ``within_quota``, and the organisation keeps too much already.
    """
    file_id = ids.new_id()
    name, size = files.new_name(file_id, new.media_type, FileRole.UPLOAD), new.size
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_file (id, organization_id, role, name, media_type, size, filename, purpose,
                 created_at, expires_at)
               SELECT %s, o.id, 'upload', %s, %s, %s, %s, %s, genie_now(), genie_now() + %s * interval '1 second'
               FROM tenants_organization o WHERE o.id = %s AND (NOT %s OR %s + (
                 SELECT coalesce(sum(size), 0) FROM jobs_file WHERE role = 'upload' AND organization_id = o.id) <= %s)""",
            [
                *(file_id, name, new.media_type, size, new.filename, new.purpose),
                *(new.lifetime_s, new.organization_id, within_quota, size),
                settings.GENIE_FILE_QUOTA_BYTES,
            ],
        )
        if cursor.rowcount == 0:
            raise errors.PayloadTooLarge(
                f"Your organization's files would be more than {settings.GENIE_FILE_QUOTA_BYTES} bytes "
                "in all; delete some."
            )
    files.save(name, new.content)
    return file_id


def keep_many(file_ids: Sequence[uuid.UUID]) -> None:
    """Let stored files be seen. In the caller's transaction."""
    with transactions.transaction_required(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_file SET kept = true WHERE id = ANY(%s::uuid[]) AND role = 'upload'",
            [list(file_ids)],
        )


def uploads(keys: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> list[Upload | None]:
    """Return the files of these ids and organisations, in order; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM jobs_file WHERE id = ANY(%s::uuid[]) AND {_KEPT}",  # noqa: S608 - constants
            [[file_id for file_id, _ in keys]],
        )
        found = {(row[0], row[1]): _upload(row) for row in cursor.fetchall()}
    return [found.get(key) for key in keys]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UploadFilter:
    """Which files of an organisation to list."""

    organization_id: uuid.UUID
    purpose: str | None = None
    after: Upload | None = None
    oldest_first: bool = False
    limit: int = 20


def list_uploads(wanted: UploadFilter) -> list[Upload]:
    """Return one page."""
    beyond, order = (">", "ASC") if wanted.oldest_first else ("<", "DESC")
    moment, last = (wanted.after.created_at, wanted.after.id) if wanted.after else (None, None)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {_COLUMNS} FROM jobs_file
                WHERE organization_id = %s AND {_KEPT} AND (%s::text IS NULL OR purpose = %s)
                  AND (%s::uuid IS NULL OR (created_at, id) {beyond} (%s, %s))
                ORDER BY created_at {order}, id {order} LIMIT %s""",  # noqa: S608 - constants
            [
                *(wanted.organization_id, wanted.purpose, wanted.purpose),
                *(last, moment, last, wanted.limit),
            ],
        )
        return [_upload(row) for row in cursor.fetchall()]


def remove(file_id: uuid.UUID, *, organization_id: uuid.UUID) -> bool:
    """Let a file be no more; tell whether there was one. Housekeeping removes its content."""
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE jobs_file SET expires_at = genie_now() WHERE id = %s AND organization_id = %s AND {_KEPT}",  # noqa: S608 - constants
            [file_id, organization_id],
        )
        return bool(cursor.rowcount)


def read(upload: Upload) -> bytes:
    """Return the content.

    Raises:
        FileNotFoundError: It has been removed since.
    """
    with storage.files().open(upload.name) as opened:
        content: bytes = opened.read()
    return content


@contextlib.contextmanager
def opened(file_id: uuid.UUID, *, organization_id: uuid.UUID) -> Iterator[IO[bytes]]:
    """Open an organisation's file, to be read piece by piece.

    Raises:
        FileNotFoundError: It has none of this id, or no longer.
    """
    (upload,) = uploads([(file_id, organization_id)])
    if upload is None:
        raise FileNotFoundError(f"There is no file {file_id}.")
    with storage.files().open(upload.name) as file:
        yield file


def _upload(row: tuple[object, ...]) -> Upload:
    names = [field.name for field in dataclasses.fields(Upload)]
    return Upload(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type] # the columns, in order
