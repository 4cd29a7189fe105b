"""After a commit that ended jobs: tell their readers, their workers, and the webhook worker."""

import logging
import uuid
from collections.abc import Sequence

import redis

from genie.core import redis as core_redis
from jobs import stream
from jobs.lifecycle import Ended

logger = logging.getLogger(__name__)


def ended(jobs: Sequence[Ended]) -> None:
    """Wake the waiters of these jobs. Never fails: a waiter also looks at the row every second."""
    wake([job.job_id for job in jobs])


def wake(job_ids: Sequence[uuid.UUID]) -> None:
    """Publish an empty message on each job's channel: whoever listens reads the row."""
    if not job_ids:
        return
    try:
        pipeline = core_redis.client().pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.publish(stream.channel(job_id), b"")
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("Waiters were not woken: %s", type(error).__name__)
