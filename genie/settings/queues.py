"""Queues: how many jobs they take, whose turn it is, and what mends them."""

from genie.core import env

# Of these two see Note [Queues are full about] in jobs.depth.

# How many jobs of one organization one queue takes.
GENIE_QUEUE_LIMIT_PER_ORGANIZATION = env.integer(
    "GENIE_QUEUE_LIMIT_PER_ORGANIZATION", 20_000, minimum=1
)
# How many jobs of all together one queue takes.
GENIE_QUEUE_LIMIT = env.integer("GENIE_QUEUE_LIMIT", 100_000, minimum=1)

# A job that has waited for so long moves up a lane.
GENIE_LANE_AGING_S = env.seconds("GENIE_LANE_AGING_S", 60)
# How long a job may be overtaken by those of models that are in memory; 0: never.
GENIE_AFFINITY_S = env.seconds("GENIE_AFFINITY_S", 10)
GENIE_TICKET_AGE_S = env.seconds("GENIE_TICKET_AGE_S", 5)  # a job queued longer gets another ticket
# How often what was lost is mended.
GENIE_SWEEP_INTERVAL_S = env.seconds("GENIE_SWEEP_INTERVAL_S", 2)
GENIE_CANARY_S = env.seconds("GENIE_CANARY_S", 15)  # each queue gets a canary ticket this often
