"""Redis and Celery: where they are."""

from genie.core import env

REDIS_URL = env.text("REDIS_URL")  # where Redis is: streams, wake-ups, rate limits
GENIE_BROKER_URL = env.text("GENIE_BROKER_URL", REDIS_URL)  # where tickets travel
DJANGO_CELERY_RESULTS_TASK_ID_MAX_LENGTH = 191
