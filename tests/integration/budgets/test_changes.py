"""Changes of caps that come at once: each as a whole, one after another."""

import datetime as dt

import pytest

from budgets import changes
from budgets.changes import CapChange, Raise
from budgets.models import Cap
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.ids import new_id
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db(transaction=True)
UNTIL = builders.NOW + dt.timedelta(days=365)
DAILY, MONTHLY = WindowKind.DAILY, WindowKind.MONTHLY


def test_two_changes_of_one_subject_wait_and_never_deadlock() -> None:
    organization_id = new_id()

    def change(number: int) -> None:
        named = [DAILY, MONTHLY] if number % 2 else [MONTHLY, DAILY]
        for turn in range(10):
            amount = 1 + 100 * number + turn
            raised = [Raise(window=one, to=amount + 1, until=UNTIL) for one in reversed(named)]
            changes.change_caps(
                Layer.ORG,
                organization_id,
                CapChange(caps=dict.fromkeys(named, amount), raises=tuple(raised)),
                by=None,
                now=builders.NOW,
            )

    builders.together([lambda number=number: change(number) for number in range(8)])  # type: ignore[misc]

    # Of one and the same change, whichever came last.
    rows = Cap.objects.filter(subject_id=organization_id)
    assert len(set(rows.values_list("cap_microcredits", "raised_microcredits"))) == 1
    assert rows.count() == 2


def test_a_change_that_ends_in_a_refusal_writes_nothing() -> None:
    organization_id = new_id()
    refused = CapChange(
        caps={DAILY: 5, MONTHLY: 5}, raises=(Raise(window=MONTHLY, to=5, until=UNTIL),)
    )

    with pytest.raises(errors.InvalidRequest, match=r"raises\.0\.to"):
        changes.change_caps(Layer.ORG, organization_id, refused, by=None, now=builders.NOW)

    assert not Cap.objects.filter(subject_id=organization_id).exists()
