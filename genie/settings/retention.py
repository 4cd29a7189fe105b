"""Retention: how long what is over is kept."""

from genie.core import env

# For how many days what is old is kept: of an organization, of all by `*`, of a kind alone by a dot.
GENIE_RETENTION_DAYS = env.days_by_name(
    "GENIE_RETENTION_DAYS", parts=("jobs", "files", "events", "webhooks")
)
# For how long ended webhook deliveries are kept.
GENIE_NOTIFICATION_DAYS = env.integer("GENIE_NOTIFICATION_DAYS", 30)
# How long idempotency keys are kept.
GENIE_IDEMPOTENCY_TTL_S = env.seconds("GENIE_IDEMPOTENCY_TTL_S", 86_400)
# How long Redis keeps the stream of an ended job.
GENIE_STREAM_TTL_S = env.seconds("GENIE_STREAM_TTL_S", 3600)
# How long what jobs of the slow lane were asked and answered is kept once they have ended.
GENIE_SLOW_RESULT_TTL_S = env.seconds("GENIE_SLOW_RESULT_TTL_S", 14 * 86_400)
# How long a job that is not to be kept (X-Genie-Store: none) can be looked at once it has ended,
# where somebody waited for it.
GENIE_UNSTORED_S = env.seconds("GENIE_UNSTORED_S", 60)
# The same where it is polled, or told of by a webhook.
GENIE_UNSTORED_ASYNC_S = env.seconds("GENIE_UNSTORED_ASYNC_S", 900)
# How long outcomes of maintenance are kept in the admin.
GENIE_RESULT_TTL_S = env.seconds("GENIE_RESULT_TTL_S", 86_400)
