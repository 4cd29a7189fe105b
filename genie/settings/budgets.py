"""Budgets: what the gate does, and what it remembers."""

from genie.core import env

# `on` refuses what passes a cap, `shadow` only records that it would, `off` reads no cap.
GENIE_BUDGET_MODE = env.text("GENIE_BUDGET_MODE", "on")
# From this part of a cap on, an allowed request is recorded and told as near it.
GENIE_BUDGET_NEAR_CAP_PERCENT = env.integer("GENIE_BUDGET_NEAR_CAP_PERCENT", 80)
# For how long the gate's decisions are kept.
GENIE_BUDGET_EVENT_DAYS = env.integer("GENIE_BUDGET_EVENT_DAYS", 90, minimum=1)
