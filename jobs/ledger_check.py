"""Proves the ledger against the jobs: budgets re-derives its counters, jobs give their costs."""

import itertools

from budgets import repair as budget_repair
from budgets import services as budgets
from budgets.types import CounterDrift, Report
from jobs.models import Batch, Job
from jobs.states import TERMINAL


def verify() -> Report:
    """Return the report; the querysets are read inside the ledger's own snapshot.

    A job that is parked, or was to its end, has never been in the ledger: a hold or a settlement of
    one is drift. A batch holds for its lines until it is closed, and is itself charged nothing.
    """
    admitted = Job.objects.filter(parked_by=None)
    open_jobs = admitted.exclude(state__in=TERMINAL).values_list("id", flat=True)
    costs = admitted.filter(state__in=TERMINAL).values_list("id", "cost_microcredits")
    holding = Batch.objects.exclude(held_microcredits=None)
    open_batches = holding.filter(closed_at=None).values_list("id", flat=True)
    closed_batches = holding.exclude(closed_at=None).values_list("id", flat=True)
    return budgets.verify(
        open_references=itertools.chain(open_jobs.iterator(), open_batches.iterator()),
        costs=itertools.chain(
            ((job_id, cost or 0) for job_id, cost in costs.iterator()),
            ((batch_id, 0) for batch_id in closed_batches.iterator()),
        ),
    )


def repair(reason: str) -> list[CounterDrift]:
    """Set drifted counters to what their entries add up to; return what was wrong.

    Raises:
        InvalidRequest: The reason cannot be recorded.
    """
    return budget_repair.repair(reason)
