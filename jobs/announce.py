"""After a commit that ended jobs without their worker: tell their readers, and count them."""

import logging
from collections.abc import Sequence

import redis

from genie.core import redis as core_redis
from jobs import counting, replies, stream
from jobs.moves import Ended

logger = logging.getLogger(__name__)


def ended(jobs: Sequence[Ended]) -> None:
    """Send the waiters of these jobs to the row. Never fails: they also look there every second."""
    if not jobs:
        return
    counting.ended(jobs)
    try:
        pipeline = core_redis.client().pipeline(transaction=False)
        for job in jobs:
            pipeline.publish(stream.channel(job.job_id), b"")
            if job.reply_to:
                pipeline.publish(job.reply_to, replies.look(job.job_id))
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("Waiters were not woken: %s", type(error).__name__)
