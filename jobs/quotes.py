"""What a submission would cost, and what the budget would say to it. Reads; writes and locks nothing.

The submission has been made as for admission, so its estimate is what would be held. Counters and
jobs move on while this reads, so a quote is a forecast and promises nothing.
"""

import dataclasses

from budgets import services as budgets
from budgets.types import Foreseen
from inference.specs import Price
from jobs import admission, lengths, prices
from jobs.lengths import UsualCompletion
from jobs.moves import NewJob
from jobs.prices import Quantities


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A submission that is only asked about: its tokens, or what media work it is exactly."""

    job: NewJob
    price: Price
    prompt_bound: int = 0  # at least the prompt's tokens: what the estimate is made of
    prompt_tokens: int = 0  # as the tokenizer counts them
    least_completion: int = 0
    most_completion: int = 0  # the limit of the run
    exactly: Quantities | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The answer. Amounts in micro-credits; low <= p95 <= maximum."""

    question: Question
    low: int  # the charge of a run that generates no more than it must
    p95: int | None  # of a run as long as 95 of 100 lately were at most; None if nothing is known
    sample: int  # how many finished jobs p95 is taken from
    foreseen: Foreseen

    @property
    def maximum(self) -> int:
        """The hold."""
        return self.question.job.estimate_microcredits


def quote(question: Question) -> Quote:
    """Return the quote; two statements at most, each bounded."""
    job = question.job
    if question.exactly is not None:  # what it is worth does not depend on what comes out
        foreseen = budgets.foresee(admission.payer_of(job), job.estimate_microcredits)
        exact = prices.charge(question.price, question.exactly)
        return Quote(question=question, low=exact, p95=exact, sample=0, foreseen=foreseen)
    usual = lengths.usual_completion(organization_id=job.organization_id, model=job.model)
    foreseen = budgets.foresee(admission.payer_of(job), job.estimate_microcredits)
    return priced(question, usual=usual, foreseen=foreseen)


def priced(question: Question, *, usual: UsualCompletion, foreseen: Foreseen) -> Quote:
    """Return the quote with its amounts, from what was read. Pure."""
    return Quote(
        question=question,
        low=_charge(question, question.least_completion),
        p95=None if usual.p95 is None else _charge(question, usual.p95),
        sample=usual.sample,
        foreseen=foreseen,
    )


def _charge(question: Question, completion: int) -> int:
    """Return the charge of a run of this length, or of the nearest length that this run may have."""
    within = min(max(completion, question.least_completion), question.most_completion)
    used = prices.tokens(prompt=question.prompt_tokens, completion=within)
    return prices.charge(question.price, used)
