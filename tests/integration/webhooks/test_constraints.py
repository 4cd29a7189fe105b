"""The rules of endpoints and their deliveries hold in the database, around the ORM."""

import uuid
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection

from webhooks.models import Delivery, Endpoint, Event

pytestmark = pytest.mark.django_db

ORGANIZATION = uuid.UUID(int=1)


def insert_endpoint(**fields: Any) -> uuid.UUID:
    row: dict[str, Any] = {
        "id": uuid.uuid4(), "organization_id": ORGANIZATION, "name": f"hook-{uuid.uuid4()}",
        "url": "https://receiver.example/", "host": "receiver.example:443", "events": ["job.completed"],
        "description": "", "include_response": False, "header_names": [], "sealed_secret": "sealed",
        "enabled": True, "consecutive_failures": 0,
    } | fields  # fmt: skip
    return insert("webhooks_endpoint", row)


def insert_delivery(**fields: Any) -> uuid.UUID:
    row: dict[str, Any] = {
        "id": uuid.uuid4(), "event_id": insert_event(), "url": "https://receiver.example/",
        "host": "receiver.example:443", "signed": True, "state": "pending", "attempts": 0,
    } | fields  # fmt: skip
    return insert("webhooks_delivery", row)


def insert_event() -> uuid.UUID:
    event = Event.objects.create(
        type="job.completed", organization_id=ORGANIZATION, body=b"{}", reference=None
    )
    return event.id


def insert(table: str, row: dict[str, Any]) -> uuid.UUID:
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))  # noqa: S608 - names of this test
    return uuid.UUID(str(row["id"]))


class TestEndpoint:
    def test_that_keeps_every_rule_is_taken(self) -> None:
        assert Endpoint.objects.filter(id=insert_endpoint()).exists()

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("has_name", {"name": ""}),
            ("has_name", {"name": "x" * 256}),
            ("host_is_of_url", {"url": None}),
            ("host_is_of_url", {"host": None}),
            ("host_is_of_url", {"url": "", "host": ""}),
            ("disabled_says_why", {"enabled": False}),
            ("disabled_says_why", {"enabled": False, "disabled_at": "2026-01-01Z"}),
            ("disabled_says_why", {"disabled_reason": "gone", "disabled_at": "2026-01-01Z"}),
            (
                "disabled_says_why",
                {"enabled": False, "disabled_reason": "bored", "disabled_at": "2026-01-01Z"},
            ),
            ("deleted_holds_no_secret", {"sealed_secret": None}),
            (
                "deleted_holds_no_secret",
                {
                    "enabled": False,
                    "disabled_reason": "deleted",
                    "disabled_at": "2026-01-01Z",
                    "deleted_at": "2026-01-01Z",
                },
            ),
            ("previous_secret_expires", {"previous_sealed_secret": "older"}),
            ("previous_secret_expires", {"previous_secret_expires_at": "2026-01-01Z"}),
            ("failing_counts", {"consecutive_failures": 1}),
            ("failing_counts", {"failing_since": "2026-01-01Z"}),
            ("failing_counts", {"consecutive_failures": -1, "failing_since": "2026-01-01Z"}),
        ],
    )
    def test_that_breaks_a_rule_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match=f"webhooks_endpoint_{constraint}"):
            insert_endpoint(**fields)

    def test_has_a_name_of_its_own_in_its_organisation(self) -> None:
        insert_endpoint(name="ops")
        insert_endpoint(name="ops", organization_id=uuid.UUID(int=2))

        with pytest.raises(IntegrityError, match="webhooks_endpoint_name"):
            insert_endpoint(name="ops")

    def test_gives_its_name_back_when_it_is_deleted(self) -> None:
        insert_endpoint(
            name="ops", enabled=False, disabled_reason="deleted", disabled_at="2026-01-01Z",
            deleted_at="2026-01-01Z", sealed_secret=None,
        )  # fmt: skip

        assert insert_endpoint(name="ops") in Endpoint.objects.values_list("id", flat=True)

    def test_stays_while_it_has_deliveries(self) -> None:
        endpoint_id = insert_endpoint()
        insert_delivery(endpoint_id=endpoint_id)

        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with pytest.raises(IntegrityError):
                cursor.execute("DELETE FROM webhooks_endpoint WHERE id = %s", [endpoint_id])


class TestDelivery:
    def test_of_one_request_is_native_unless_said_otherwise(self) -> None:
        made = Delivery.objects.get(id=insert_delivery(signed=False))

        assert (made.format, made.schedule) == ("native", "native")

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("of_one_request_is_native", {"signed": False, "format": "bifrost"}),
            ("of_one_request_is_native", {"signed": False, "schedule": "registered"}),
            ("signed_while_pending", {"signed": True}),
            ("signed_while_pending", {"signed": False, "sealed_secret": "sealed"}),
        ],
    )
    def test_of_one_request_that_breaks_a_rule_is_refused(
        self, constraint: str, fields: dict[str, Any]
    ) -> None:
        with pytest.raises(IntegrityError, match=f"webhooks_delivery_{constraint}"):
            insert_delivery(**fields)

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("to_an_endpoint_holds_no_secret", {"sealed_secret": "sealed"}),
            ("to_an_endpoint_holds_no_secret", {"signed": False}),
            ("format", {"format": "carrier-pigeon"}),
            ("schedule", {"schedule": "sometimes"}),
        ],
    )
    def test_to_an_endpoint_that_breaks_a_rule_is_refused(
        self, constraint: str, fields: dict[str, Any]
    ) -> None:
        endpoint_id = insert_endpoint()

        with pytest.raises(IntegrityError, match=f"webhooks_delivery_{constraint}"):
            insert_delivery(endpoint_id=endpoint_id, **fields)

    def test_of_one_event_to_one_endpoint_is_under_way_once(self) -> None:
        endpoint_id, event_id = insert_endpoint(), insert_event()
        insert_delivery(endpoint_id=endpoint_id, event_id=event_id, state="delivered",
                        next_attempt_at=None, ended_at="2026-01-01Z")  # fmt: skip
        insert_delivery(endpoint_id=endpoint_id, event_id=event_id)

        with pytest.raises(DatabaseError, match="webhooks_delivery_once_at_a_time"):
            insert_delivery(endpoint_id=endpoint_id, event_id=event_id)
