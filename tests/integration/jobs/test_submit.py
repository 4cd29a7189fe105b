"""Admission: each submission of a batch is decided by itself, and a key names one job."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from budgets import capping
from budgets.gate import OnCapHit
from budgets.models import BudgetEvent, Hold
from genie.core import errors, ids, transactions
from genie.tenants import services as tenants
from jobs import admission, idempotency, lifecycle
from jobs.models import IdempotencyKey, Job, JobEvent
from jobs.states import Lane, Mode
from jobs.submissions import Accepted, Submission
from tests import builders
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def timeless(answers: Sequence[object]) -> list[object]:
    """Return the answers without their times; a job that was just made has one."""
    for answer in answers:
        assert isinstance(answer, Accepted)
        assert (answer.created_at is None) == answer.replayed
    return [dataclasses.replace(answer, created_at=None) for answer in answers]  # type: ignore[type-var] # checked above


class TestBatch:
    def test_a_job_comes_with_its_event_its_hold_and_its_place(self, account: Any) -> None:
        wanted = builders.submission(account)

        answers = admission.submit_many([wanted])

        assert timeless(answers) == [Accepted(job_id=wanted.job.id, queue_position=1)]
        job = Job.objects.get()
        assert (job.state, job.attempt, job.estimate_microcredits) == ("queued", 0, 1000)
        assert job.request == builders.CHAT_REQUEST
        assert job.start_deadline_at > job.created_at
        assert list(JobEvent.objects.values_list("type", "attempt")) == [("job.queued", 0)]
        assert Hold.objects.get(reference=job.id).amount == 1000

    def test_answers_stand_in_the_order_of_the_batch_whatever_they_are(self, account: Any) -> None:
        poor = builders.make_account()
        builders.cap_org(poor, 1500)
        known = builders.submission(account, key="known")
        admission.submit_many([known])
        batch = [
            builders.submission(poor),
            builders.submission(account, key="known"),
            builders.submission(poor),
            builders.submission(account, key="known", digest=b"\x02" * 32),
            builders.submission(account),
        ]

        answers = admission.submit_many(batch)

        assert [type(one) for one in answers] == [
            Accepted,
            Accepted,
            errors.BudgetCapHit,
            errors.IdempotencyKeyReused,
            Accepted,
        ]
        assert answers[1] == Accepted(job_id=known.job.id, replayed=True)
        assert set(Job.objects.values_list("id", flat=True)) == {
            known.job.id,
            batch[0].job.id,
            batch[4].job.id,
        }

    def test_a_refusal_leaves_only_its_budget_event(self, account: Any) -> None:
        builders.cap_org(account, 999)

        (answer,) = admission.submit_many([builders.submission(account, key="mine")])

        assert isinstance(answer, errors.BudgetCapHit)
        assert answer.body()["capLayer"] == "org"
        assert not Job.objects.exists()
        assert not Hold.objects.exists()
        assert not IdempotencyKey.objects.exists()
        assert BudgetEvent.objects.get().decision == "refuse"

    def test_a_refusal_s_alert_commits_though_no_job_is_inserted(self, account: Any) -> None:
        builders.cap_org(account, 999)
        tenants.set_alert_webhook(
            account.organization_id,
            account.application_id,
            url="https://hooks.example.com/",
            sealed_secret=None,
        )

        (answer,) = admission.submit_many([builders.submission(account)])

        assert isinstance(answer, errors.BudgetCapHit)
        assert not Job.objects.exists()
        assert Event.objects.get().type == "budget.cap-hit"

    def test_says_what_is_left_where_the_application_wants_to_be_warned(self, account: Any) -> None:
        builders.cap_org(account, 1500)
        capping.set_on_cap_hit(account.application_id, OnCapHit.SOFT_WARN, now=timezone.now())
        warned = builders.submission(account, key="k")
        plain = builders.submission(builders.make_account())

        answers = admission.submit_many([warned, plain])
        again = admission.submit_many([builders.submission(account, key="k")])

        left = [one.budget_remaining for one in [*answers, *again] if isinstance(one, Accepted)]
        assert left == [500, None, None]

    def test_the_number_of_statements_does_not_grow_with_the_batch(self, account: Any) -> None:
        def statements(count: int) -> int:
            batch = [builders.submission(account, key=f"{count}-{n}") for n in range(count)]
            with CaptureQueriesContext(connection) as asked:
                admission.submit_many(batch)
            return len(asked)

        statements(2)  # makes the counters' rows

        assert statements(1) == statements(20) <= 10

    def test_a_job_that_cannot_be_inserted_takes_the_whole_batch_back(self, account: Any) -> None:
        good, bad = builders.submission(account), builders.submission(account, max_attempts=-1)

        with pytest.raises(IntegrityError, match="job_attempt_within_max"):
            admission.submit_many([good, bad])

        assert not Job.objects.exists()
        assert not Hold.objects.exists()

    def test_an_empty_batch_is_no_work(self) -> None:
        assert admission.submit_many([]) == []


class TestPositions:
    def test_places_follow_the_order_of_the_claim(self, account: Any) -> None:
        batch = [
            builders.submission(account, lane=Lane.SLOW),
            builders.submission(account),
            builders.submission(account, lane=Lane.INTERACTIVE),
            builders.submission(account),
            builders.submission(account, queue="embedding"),
        ]

        answers = admission.submit_many(batch)

        places = [one.queue_position for one in answers if isinstance(one, Accepted)]
        assert places == [4, 2, 1, 3, 1]
        assert [one.job_id for one in builders.claim()] == [batch[n].job.id for n in (2, 1, 3, 0)]

    def test_who_waits_on_a_connection_is_not_counted_for(self, account: Any) -> None:
        (answer,) = admission.submit_many([builders.submission(account, mode=Mode.SYNC)])

        assert isinstance(answer, Accepted)
        assert answer.queue_position is None


class TestIdempotencyKey:
    def test_the_same_key_and_body_name_the_same_job(self, account: Any) -> None:
        first = builders.submission(account, key="k")
        admission.submit_many([first])

        (again,) = admission.submit_many([builders.submission(account, key="k")])

        assert again == Accepted(job_id=first.job.id, replayed=True)
        assert Hold.objects.count() == 1

    def test_what_could_be_no_job_of_its_own_is_still_a_replay(self, account: Any) -> None:
        first = builders.submission(account, key="k")
        admission.submit_many([first])
        refusal = errors.InvalidRequest.of("metadata.webhook_id", "there is no such webhook")

        (again,) = admission.submit_many([builders.submission(account, key="k", refusal=refusal)])

        assert again == Accepted(job_id=first.job.id, replayed=True)

    def test_what_can_be_no_job_uses_no_key_up_and_holds_nothing(self, account: Any) -> None:
        refusal = errors.InvalidRequest.of("metadata.webhook_id", "there is no such webhook")
        wrong = builders.submission(account, key="k", refusal=refusal)
        right = builders.submission(account, key="k", digest=b"\x02" * 32)

        (refused,) = admission.submit_many([wrong])
        together = admission.submit_many([wrong, right])

        assert refused is refusal
        assert together[0] is refusal
        assert isinstance(together[1], Accepted)
        assert (together[1].job_id, together[1].replayed) == (right.job.id, False)
        assert Hold.objects.count() == Job.objects.count() == 1

    def test_another_body_is_refused(self, account: Any) -> None:
        admission.submit_many([builders.submission(account, key="k")])

        (answer,) = admission.submit_many(
            [builders.submission(account, key="k", digest=b"\x02" * 32)]
        )

        assert isinstance(answer, errors.IdempotencyKeyReused)

    def test_another_organisation_has_keys_of_its_own(self, account: Any, stranger: Any) -> None:
        mine, theirs = builders.submission(account, key="k"), builders.submission(stranger, key="k")

        assert timeless(admission.submit_many([mine, theirs])) == [
            Accepted(job_id=mine.job.id, queue_position=1),
            Accepted(job_id=theirs.job.id, queue_position=2),
        ]

    def test_of_what_is_no_job_is_its_organizations_too(self, account: Any, stranger: Any) -> None:
        key, mine, theirs = idempotency.Key("k", b"\x01" * 32), ids.new_id(), ids.new_id()

        for organization_id, names in (
            (account.organization_id, mine),
            (stranger.organization_id, theirs),
        ):
            with transactions.transaction():
                assert idempotency.take_for(organization_id, key, names=names) == names
        with transactions.transaction():
            again = idempotency.take_for(account.organization_id, key, names=ids.new_id())

        assert again == mine

    def test_a_refusal_does_not_use_the_key_up(self, account: Any) -> None:
        builders.cap_org(account, 0)
        admission.submit_many([builders.submission(account, key="k")])
        builders.cap_org(account, 5000)
        wanted = builders.submission(account, key="k", digest=b"\x03" * 32)

        assert timeless(admission.submit_many([wanted])) == [
            Accepted(job_id=wanted.job.id, queue_position=1)
        ]

    def test_twice_in_one_batch_is_one_job(self, account: Any) -> None:
        first, again = builders.submission(account, key="k"), builders.submission(account, key="k")

        assert timeless(admission.submit_many([first, again])) == [
            Accepted(job_id=first.job.id, queue_position=1),
            Accepted(job_id=first.job.id, replayed=True),
        ]

    def test_another_body_in_the_same_batch_is_refused(self, account: Any) -> None:
        other = builders.submission(account, key="k", digest=b"\x02" * 32)

        answers = admission.submit_many([builders.submission(account, key="k"), other])

        assert isinstance(answers[0], Accepted)
        assert isinstance(answers[1], errors.IdempotencyKeyReused)

    def test_the_right_body_is_a_replay_though_a_wrong_one_came_first(self, account: Any) -> None:
        first = builders.submission(account, key="k")
        admission.submit_many([first])
        wrong = builders.submission(account, key="k", digest=b"\x02" * 32)

        answers = admission.submit_many([wrong, builders.submission(account, key="k")])

        assert isinstance(answers[0], errors.IdempotencyKeyReused)
        assert answers[1] == Accepted(job_id=first.job.id, replayed=True)

    def test_twice_in_one_batch_is_refused_twice_with_a_decision_each(self, account: Any) -> None:
        builders.cap_org(account, 0)
        wanted = [builders.submission(account, key="k") for _ in range(2)]

        answers = admission.submit_many(wanted)

        assert all(isinstance(one, errors.BudgetCapHit) for one in answers)
        assert not IdempotencyKey.objects.exists()
        decided = BudgetEvent.objects.filter(decision="refuse").values_list("reference", flat=True)
        assert set(decided) == {one.job.id for one in wanted}

    def test_behind_a_refused_body_another_is_decided_on_by_itself(self, account: Any) -> None:
        builders.cap_org(account, 500)
        large = builders.submission(account, key="k", estimate_microcredits=900)
        also = builders.submission(account, key="k", digest=b"\x03" * 32, estimate_microcredits=501)
        small = builders.submission(
            account, key="k", digest=b"\x02" * 32, estimate_microcredits=100
        )
        again = builders.submission(
            account, key="k", digest=b"\x02" * 32, estimate_microcredits=100
        )
        late = builders.submission(account, key="k", estimate_microcredits=900)

        answers = admission.submit_many([large, also, small, again, late])

        refusals = [one.body()["layers"] for one in answers if isinstance(one, errors.BudgetCapHit)]
        assert [layers[0]["requested"] for layers in refusals] == [0.0009, 0.000501]  # type: ignore[index]
        assert timeless(answers[2:4]) == [
            Accepted(job_id=small.job.id, queue_position=1),
            Accepted(job_id=small.job.id, replayed=True),
        ]
        assert isinstance(answers[4], errors.IdempotencyKeyReused)
        key = IdempotencyKey.objects.get()
        assert (key.job_id, bytes(key.body_digest)) == (small.job.id, b"\x02" * 32)
        assert BudgetEvent.objects.count() == 3
        assert Hold.objects.get().reference == small.job.id
        assert admission.submit_many(
            [builders.submission(account, key="k", digest=b"\x02" * 32)]
        ) == [Accepted(job_id=small.job.id, replayed=True)]

    def test_a_repeat_of_a_parked_one_is_the_parked_job(self, account: Any) -> None:
        builders.cap_org(account, 1000)
        builders.make_job(account)
        first, again = (builders.submission(account, key="k", parks=True) for _ in range(2))

        answers = admission.submit_many([first, again])

        assert answers[1] == Accepted(job_id=first.job.id, replayed=True)
        assert Job.objects.filter(parked_by__isnull=False).get().id == first.job.id


@pytest.mark.django_db(transaction=True)
class TestIdempotencyKeyUnderConcurrency:
    def test_the_second_waits_for_the_first_to_commit_and_gets_its_job(self) -> None:
        account = builders.make_account()
        first = builders.submission(account, key="k")
        begun, answered = threading.Event(), threading.Event()
        answers: list[object] = []

        def second() -> None:
            begun.set()
            answers.extend(admission.submit_many([builders.submission(account, key="k")]))
            answered.set()
            connection.close()

        thread = threading.Thread(target=second)
        with transaction.atomic():
            _submit_in_transaction(first)
            thread.start()
            begun.wait(10)
            builders.wait_until_blocked()
            assert not answered.is_set()
        thread.join(10)

        assert answers == [Accepted(job_id=first.job.id, replayed=True)]
        assert Job.objects.count() == 1

    def test_the_second_is_admitted_when_the_first_rolls_back(self) -> None:
        account = builders.make_account()
        wanted = builders.submission(account, key="k")
        answers: list[object] = []

        def second() -> None:
            answers.extend(admission.submit_many([wanted]))
            connection.close()

        thread = threading.Thread(target=second)
        with transaction.atomic():
            _submit_in_transaction(builders.submission(account, key="k"))
            thread.start()
            builders.wait_until_blocked()
            transaction.set_rollback(True)
        thread.join(10)

        assert timeless(answers) == [Accepted(job_id=wanted.job.id, queue_position=1)]

    def test_8_threads_with_one_key_make_one_job(self) -> None:
        account = builders.make_account()

        answers = builders.together(
            [
                lambda: admission.submit_many([builders.submission(account, key="k")])[0]
                for _ in range(8)
            ]
        )

        job = Job.objects.get()
        assert {one.job_id for one in answers if isinstance(one, Accepted)} == {job.id}
        assert sum(one.replayed for one in answers if isinstance(one, Accepted)) == 7
        assert Hold.objects.count() == 1


def _submit_in_transaction(wanted: Submission) -> None:
    """Insert as ``submit_many`` does, in a transaction that the test keeps open."""
    outcomes: dict[int, Any] = {}
    fresh = idempotency.take([wanted], outcomes)
    taken = admission._hold([wanted], fresh, outcomes, behind=lambda: None)
    assert list(taken) == [0]
    lifecycle.insert_many([wanted.job])
