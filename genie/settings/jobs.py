"""Jobs: what is taken, and how long it may wait and run."""

from pathlib import Path

from genie.core import env
from genie.settings.base import BASE_DIR

# The file that says which models there are; web processes and workers read the same.
GENIE_MODELS_FILE = Path(env.text("GENIE_MODELS_FILE", str(BASE_DIR / "inference" / "models.toml")))
# Asked before an image or a video is admitted: a dotted name that, given the prompt, returns why it
# is refused, or None.
GENIE_MODERATION = env.text("GENIE_MODERATION", "jobs.moderation.refuse_listed_words")
# A file of refused words, in place of the list that is shipped.
GENIE_MODERATION_WORDS = env.text("GENIE_MODERATION_WORDS", "")
# Lines of a batch. All are checked and their money is held before one is run; they wait beside the
# queues, which take them as they have room.
GENIE_BATCH_LINES = env.integer("GENIE_BATCH_LINES", 50_000, minimum=1)
# A job that is queued for longer ends as `queue-timeout`.
GENIE_START_LIMIT_S = env.seconds("GENIE_START_LIMIT_S", 3600)
# The same for a job that is parked when it is submitted: long enough for a daily cap to begin anew.
GENIE_PARK_LIMIT_S = env.seconds("GENIE_PARK_LIMIT_S", 86_400)
# A job that runs for longer ends as `execution-timeout`.
GENIE_RUN_LIMIT_S = env.seconds("GENIE_RUN_LIMIT_S", 600)
# What jobs of the slow lane cost of the usual price.
GENIE_SLOW_PRICE_PERCENT = env.integer("GENIE_SLOW_PRICE_PERCENT", 50, minimum=1)
# When jobs of the slow lane must have ended.
GENIE_SLOW_LIMIT_S = env.seconds("GENIE_SLOW_LIMIT_S", 72 * 3600)
GENIE_SYNC_LIMIT_S = env.seconds("GENIE_SYNC_LIMIT_S", 120)  # what a sync caller waits at most
# No worker of the queue seen for so long: a caller who waits is told `no-worker`.
GENIE_NO_WORKER_S = env.seconds("GENIE_NO_WORKER_S", 30)
GENIE_WEB_DRAIN_S = env.seconds("GENIE_WEB_DRAIN_S", 8)  # a web process that stops ends its answers
GENIE_PING_S = env.seconds("GENIE_PING_S", 15)  # a silent stream gets a comment this often
