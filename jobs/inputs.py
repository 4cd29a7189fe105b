"""Brings what a job's request refers to: files that its caller sent, and addresses to fetch.

A request names them by role, as its sources: ``{"start_image": {"url": ...}, "end_image": {"file": id}}``.
Blocks on a disk, a bucket or another host's answer, so a worker calls it on a thread for that.
"""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from inference.errors import InferenceError
from jobs import files
from jobs.claims import Claimed
from webhooks import fetching
from webhooks.errors import FetchFailed

logger = logging.getLogger(__name__)

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


class InputFetchFailed(InferenceError):
    """An input could not be had; the address may work another time, but the job does not wait for it."""

    code = "input-fetch-failed"


class InputAway(InputFetchFailed):
    """An input could not be read here; the database or the storage may only be away for a moment."""

    retryable = True


def refers(request: Mapping[str, Any]) -> bool:
    """Tell whether a job has inputs to bring."""
    return bool(request.get("sources"))


def bring(claimed: Claimed) -> dict[str, bytes]:
    """Return the bytes of every input, by role.

    Raises:
        InputFetchFailed: With a sentence for the caller that names the input.
        InputAway: The same; another attempt may have it.
    """
    named = claimed.request.get("sources", {})
    return {role: _bytes(claimed.job_id, role, where) for role, where in named.items()}


def _bytes(job_id: uuid.UUID, role: str, where: Mapping[str, str]) -> bytes:
    if "file" in where:
        try:
            return files.read_input(job_id, uuid.UUID(where["file"]))
        except FileNotFoundError:
            raise InputFetchFailed(f"{role}: what was sent is no longer in the storage.") from None
        except Exception as error:  # the database's, or whatever a storage raises
            logger.warning("An input could not be read: %s", type(error).__name__)
            raise InputAway(f"{role}: what was sent could not be read.") from error
    try:
        fetched = fetching.fetch(
            where["url"], types=IMAGE_TYPES, max_bytes=settings.GENIE_IMAGE_LIMIT_BYTES
        )
    except FetchFailed as error:
        raise InputFetchFailed(f"{role}: {error}") from error
    return fetched.body
