"""Flower's configuration, which it runs rather than imports; ``genie.celery`` names it as FLOWER_CONF.

What stands here wins over FLOWER_ variables: Flower reads them first. Addresses and secrets are theirs.
"""

import django

django.setup()  # Flower reads this before Celery has done so

from jobs.carried import Annotator  # noqa: E402

read_only = True  # workers are told what to do by `manage.py`, which leaves a trace
tasks_columns = "name,kwargs,result,state,received,runtime,worker,uuid"
max_tasks = 10_000  # in its memory; of 100,000, as by default, each page would take seconds
purge_offline_workers = 3600  # each restart of a worker is another name
_annotator = Annotator()


def format_task(task: object) -> object:
    """Show a ticket with the jobs that it carried."""
    return _annotator.annotate(task)
