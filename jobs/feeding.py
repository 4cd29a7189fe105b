"""Batches are fed to the queues: begun once all their money is held, then line by line, then closed.

Note [A batch's money]
    One hold on the sum of all lines is taken when a batch begins, so that none begins which a cap
    cannot carry. Each transaction that makes jobs of lines lets these jobs have their shares of it
    (``budgets.part``), which moves no counter; so no window is locked while a batch is fed. What is
    left of it when the batch is closed is released. A crash at any point leaves the lines, the shares
    and ``fed`` as one transaction left them.
"""

import dataclasses
import uuid

from budgets import money
from budgets import services as budgets
from budgets.types import HoldRequest, Payer, Refused, Settlement
from genie.core import errors, transactions
from jobs import admission, batch_lines, batch_rows, depth, entering, groups, queue
from jobs.batch_rows import Check, Open
from jobs.groups import NewGroup
from jobs.moves import NewJob
from jobs.states import Facade

AT_ONCE = 100  # lines of one transaction
MOST_RUNNING = 2_000  # jobs of one batch that have not ended: the rest waits beside the queues


def begin(check: Check, *, size: int, total_microcredits: int) -> errors.GenieError | None:
    """Hold for all lines of a batch that has been checked, and let it begin; return why not.

    Nothing happens to a batch that was cancelled meanwhile, or is checked by somebody else.
    """
    requester = check.requester
    payer = Payer(
        organization_id=requester.organization_id,
        application_id=requester.application_id,
        member_id=requester.member_id,
        user_id=requester.user_id,
    )
    if total_microcredits > money.MAX_MICROCREDITS:
        return errors.InvalidRequest(
            f"The lines cost up to {money.to_text(total_microcredits)} credits together, and a batch"
            f" at most {money.to_text(money.MAX_MICROCREDITS)}; send several."
        )
    wanted = HoldRequest(
        reference=check.batch_id, payer=payer, amount_microcredits=total_microcredits
    )
    with transactions.transaction():
        if not batch_rows.go_on_checking(check):
            return None
        (decision,) = budgets.hold_many([wanted])
        if isinstance(decision, Refused):
            return decision.error
        groups.insert(
            NewGroup(
                id=check.batch_id,
                organization_id=requester.organization_id,
                facade=Facade.OPENAI,
                size=size,
            )
        )
        batch_rows.begin(check.batch_id, size=size, held_microcredits=total_microcredits)
    return None


def feed(batch_id: uuid.UUID) -> int:
    """Make jobs of a batch's next lines, as many as the queues have room for; return how many.

    Closes a batch of which no line is to become a job any more. Somebody else may feed it: then none.
    """
    with transactions.transaction():
        batch = batch_rows.lock_open(batch_id, wait=False)
        jobs = entered(batch) if batch is not None and batch.may_feed else []
    tickets: dict[str, list[uuid.UUID]] = {}
    for job in jobs:
        tickets.setdefault(job.queue, []).append(job.id)
    queue.sender.send(tickets)
    if batch is not None and (not batch.may_feed or batch.fed + len(jobs) == batch.size):
        close(batch_id)
    return len(jobs)


def close(batch_id: uuid.UUID) -> None:
    """Let no further line of a batch become a job: release what is held for them, and count them out."""
    with transactions.transaction():
        batch = batch_rows.lock_open(batch_id, wait=True)
        if batch is None or batch.may_feed:
            return
        if batch.fed < batch.size:
            groups.count_out(batch_id, batch.size - batch.fed)
        batch_rows.close(batch_id)
        if batch.is_held:  # last, as where jobs end: from here on counters are locked
            budgets.settle_many([Settlement(reference=batch_id, actual_microcredits=0)])


def entered(batch: Open) -> list[NewJob]:
    """Make jobs of as many lines as there is room for, and give them their shares of the money.

    In the caller's transaction, which has locked the batch; locks no counter.
    """
    limit = min(AT_ONCE, MOST_RUNNING - batch.running)
    if limit <= 0:
        return []
    jobs = _with_room(batch, limit)
    if not jobs:
        return []
    budgets.part(batch.id, [_share(job) for job in jobs])
    entering.enter(jobs)
    batch_rows.count_fed(batch.id, len(jobs))
    return jobs


def _with_room(batch: Open, limit: int) -> list[NewJob]:
    """Take the next lines; those behind the first that has no room in its queue stay where they are."""
    room = depth.Room()
    names = batch_lines.next_queues(batch.id, limit=limit)
    fit = 0
    for name in names:
        if not room.takes_of_batch(name, batch.organization_id):
            break
        fit += 1
    if fit == 0:
        return []
    return [_timed(job, batch) for job in batch_lines.take(batch.id, limit=fit)]


def _timed(job: NewJob, batch: Open) -> NewJob:
    """Return a job that ends with its batch's time, whether it runs then or not, unless it does so sooner."""
    start_s = min(job.start_limit_s, batch.left_s)
    return dataclasses.replace(job, start_limit_s=start_s, end_limit_s=batch.left_s)


def _share(job: NewJob) -> HoldRequest:
    return HoldRequest(
        reference=job.id,
        payer=admission.payer_of(job),
        amount_microcredits=job.estimate_microcredits,
    )
