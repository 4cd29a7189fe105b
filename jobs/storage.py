"""Where files lie: a directory of this machine, or a bucket, as the settings say."""

import os
from typing import Any

from django.core.files.storage import FileSystemStorage, Storage, storages

ALIAS = "files"


class DurableFileSystemStorage(FileSystemStorage):
    """A directory whose files have reached the disk once they are saved.

    A job is told to be completed in a transaction that survives a power failure; its files must too.
    """

    def _save(self, name: str, content: Any) -> str:
        saved: str = super()._save(name, content)  # type: ignore[misc] # the stubs leave it out
        path = self.path(saved)
        for one in (path, os.path.dirname(path)):  # noqa: PTH120 - the storage speaks in strings
            descriptor = os.open(one, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return saved


def files() -> Storage:
    """Return the storage of what callers send and jobs make."""
    return storages[ALIAS]
