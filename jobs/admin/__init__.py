"""The admin pages of jobs, paused queues, weights, workers and the outcomes of maintenance.

Jobs are looked at and operated on through their use cases; nothing of one is edited.
"""

from budgets.admin import breakdowns
from budgets.admin.breakdowns import Breakdown
from jobs import spending
from jobs.admin import jobs, outcomes, paused, workers

__all__ = ["jobs", "outcomes", "paused", "workers"]

breakdowns.add(Breakdown("model", "no known model", spending.daily_by_model))
