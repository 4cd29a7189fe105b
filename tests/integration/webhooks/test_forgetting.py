"""What goes before its time: events with all that is sent of them, or deliveries alone."""

import uuid

import pytest

from tests.builders import later
from tests.integration.webhooks import builders
from webhooks import forgetting
from webhooks.models import Attempt, Delivery, Event, State

pytestmark = pytest.mark.django_db

DAY_S = 86_400.0


def published(organization_id: uuid.UUID = builders.ORGANIZATION) -> uuid.UUID:
    (delivery_id,) = builders.publish(
        builders.event(url="https://example.com/hook", organization_id=organization_id)
    )
    return delivery_id


def test_deliveries_that_ended_go_with_their_log_and_events_stay() -> None:
    ended = published()
    Attempt.objects.create(
        delivery_id=ended, number=1, started_at="2026-01-01T00:00Z", duration_ms=1, status=200, answer=b"ok"
    )  # fmt: skip
    others = published(uuid.UUID(int=2))
    builders.end("delivered")
    pending = published()

    forgetting.deliveries_of(builders.ORGANIZATION, age_s=DAY_S)
    assert Delivery.objects.count() == 3  # none is as old as that
    forgetting.deliveries_of(builders.ORGANIZATION, age_s=0)

    assert set(Delivery.objects.values_list("id", flat=True)) == {others, pending}
    assert (Attempt.objects.count(), Event.objects.count()) == (0, 3)


def test_a_delivery_that_ended_of_late_stays_though_its_event_is_old() -> None:
    with later("-3 days"):
        published()
    builders.end("delivered")

    forgetting.deliveries_of(builders.ORGANIZATION, age_s=DAY_S)

    assert Delivery.objects.count() == 1


def test_events_go_with_what_is_still_to_be_sent_of_them() -> None:
    published()
    others = published(uuid.UUID(int=2))

    forgetting.events_of(builders.ORGANIZATION, age_s=DAY_S)
    assert Event.objects.count() == 2  # none is as old as that
    forgetting.events_of(builders.ORGANIZATION, age_s=0)

    assert [one.id for one in Delivery.objects.filter(state=State.PENDING)] == [others]
    assert Event.objects.count() == 1
