"""Quotes: low, usual and most, from the caller's own finished jobs, without a trace."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from budgets import capping
from budgets.models import BudgetEvent, Hold, Window
from budgets.windows import Layer, WindowKind
from inference.specs import Price, Unit
from jobs import admission, lengths, prices, quotes
from jobs.models import Job
from jobs.quotes import Question
from jobs.states import JobState
from jobs.submissions import Submission
from tests import builders

pytestmark = pytest.mark.django_db

PRICE = Price(version="2026-01", rates={Unit.PROMPT: 10_000_000, Unit.COMPLETION: 20_000_000})
PROMPT_BOUND, PROMPT, MOST = 50, 30, 100
ESTIMATE = 10 * PROMPT_BOUND + 20 * MOST


def question(account: Any, **changes: Any) -> Question:
    """Return a question about a chat, priced as its submission would be."""
    fields: dict[str, Any] = {
        "job": builders.new_job(
            account,
            estimate_microcredits=prices.estimate(
                PRICE, prices.tokens(prompt=PROMPT_BOUND, completion=MOST)
            ),
        ),
        "price": PRICE,
        "prompt_bound": PROMPT_BOUND,
        "prompt_tokens": PROMPT,
        "least_completion": 0,
        "most_completion": MOST,
    }
    return Question(**(fields | changes))


def ran(
    account: Any, *completions: int, state: JobState = JobState.COMPLETED, **attributes: Any
) -> None:
    """End one job for each number of generated tokens."""
    for completion in completions:
        claimed = builders.make_running_job(account, **attributes)
        builders.finish(claimed, state, completion_tokens=completion)


class TestQuote:
    def test_low_is_a_run_that_says_nothing_and_maximum_is_the_hold(self, account: Any) -> None:
        found = quotes.quote(question(account))

        assert (found.low, found.maximum) == (10 * PROMPT, ESTIMATE)

    def test_maximum_is_what_the_same_submission_then_holds(self, account: Any) -> None:
        asked = question(account)
        found = quotes.quote(asked)

        admission.submit_many([Submission(job=asked.job)])

        assert Hold.objects.get(reference=asked.job.id).amount == found.maximum

    def test_p95_is_unknown_until_a_job_has_finished(self, account: Any) -> None:
        ran(account, 40, state=JobState.FAILED)

        found = quotes.quote(question(account))

        assert (found.p95, found.sample) == (None, 0)

    def test_p95_is_a_run_as_long_as_95_of_100_were_at_most(self, account: Any) -> None:
        ran(account, *[10] * 18, 40, 90)

        found = quotes.quote(question(account))

        assert (found.p95, found.sample) == (10 * PROMPT + 20 * 40, 20)

    def test_p95_is_never_above_the_maximum(self, account: Any) -> None:
        ran(account, 5_000)

        found = quotes.quote(question(account))

        assert found.p95 == 10 * PROMPT + 20 * MOST <= found.maximum

    def test_neither_low_nor_p95_is_below_what_must_be_generated(self, account: Any) -> None:
        ran(account, 3)

        found = quotes.quote(question(account, least_completion=7))

        assert found.low == found.p95 == 10 * PROMPT + 20 * 7

    def test_leaves_no_trace(self, account: Any, django_assert_num_queries: Any) -> None:
        capping.set_cap(Layer.ORG, account.organization_id, WindowKind.DAILY, 1, now=timezone.now())

        with django_assert_num_queries(2):
            found = quotes.quote(question(account))

        assert not found.foreseen.allowed
        assert found.foreseen.over_microcredits == ESTIMATE - 1
        for table in (Job, Hold, Window, BudgetEvent):
            assert not table.objects.exists()


class TestUsualCompletion:
    def usual(self, account: Any, model: str = "echo-chat") -> lengths.UsualCompletion:
        return lengths.usual_completion(organization_id=account.organization_id, model=model)

    def test_is_the_organizations_own_and_the_models_own(self, account: Any, stranger: Any) -> None:
        ran(account, 5)
        ran(account, 50, model="other")
        ran(stranger, 500)

        assert self.usual(account) == lengths.UsualCompletion(p95=5, sample=1)
        assert self.usual(account, "other").p95 == 50
        assert self.usual(stranger).p95 == 500

    def test_is_of_the_latest_jobs_only(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lengths, "_USUAL_OF", 2)
        ran(account, 900, 7, 8)

        assert self.usual(account) == lengths.UsualCompletion(p95=8, sample=2)

    def test_reads_its_index_however_many_jobs_wait(self, account: Any) -> None:
        ran(account, 5)

        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            statement = f"EXPLAIN {lengths._USUAL_COMPLETION}"
            cursor.execute(statement, [account.organization_id, "echo-chat", 1000])
            plan = "\n".join(row[0] for row in cursor.fetchall())

        assert "Index Only Scan using job_usual_completion" in plan
