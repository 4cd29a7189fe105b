"""Proves the ledger against the jobs: budgets re-derives its counters, jobs give their costs."""

from budgets import services as budgets
from budgets.types import Report
from jobs.models import Job
from jobs.states import TERMINAL


def verify() -> Report:
    """Return the report; the querysets are read inside the ledger's own snapshot."""
    open_jobs = Job.objects.exclude(state__in=TERMINAL).values_list("id", flat=True)
    costs = Job.objects.filter(state__in=TERMINAL).values_list("id", "cost_microcredits")
    return budgets.verify(
        open_references=open_jobs.iterator(),
        costs=((job_id, cost or 0) for job_id, cost in costs.iterator()),
    )
