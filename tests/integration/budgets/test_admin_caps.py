"""Caps are set in the admin through the service, by whoever may, and every change is kept."""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import Client

from budgets import capping, changes
from budgets.gate import OnCapHit
from budgets.models import Cap, CapChange
from budgets.types import Refused
from budgets.windows import Layer, WindowKind
from genie.core.transactions import savepoint
from genie.tenants.models import User
from tests.integration.budgets import builders, operators

pytestmark = pytest.mark.django_db

REASON = "agreed with finance"

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
FUTURE = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)
ADD = "/admin/budgets/cap/add/"


@pytest.fixture
def acme() -> Any:
    return operators.make_named()


@pytest.fixture
def keeper() -> Client:
    """A colleague who may set caps."""
    return operators.staff(["view_cap", "add_cap", "change_cap"])


@pytest.fixture
def watcher() -> Client:
    return operators.staff(["view_cap"])


def page_of(cap: Cap) -> str:
    return f"/admin/budgets/cap/{cap.pk}/change/"


def daily(acme: operators.Named, amount: int | None) -> Cap:
    builders.cap(Layer.ORG, acme.organization_id, WindowKind.DAILY, amount)
    return Cap.objects.get(subject_id=acme.organization_id, window="daily")


def form(acme: operators.Named, **fields: str) -> dict[str, str]:
    usual = {
        "organization": acme.slug,
        "layer": "org",
        "window": "daily",
        "credits": "12.5",
        "reason": REASON,
    }
    return usual | fields


class TestAdd:
    @pytest.mark.parametrize(
        ("layer", "subject", "field"),
        [
            ("org", "", "organization_id"),
            ("application", "chatbot", "application_id"),
            ("member", "olga", "member_id"),
            ("user", "olga", "user_id"),
        ],
    )
    def test_sets_a_cap_of_every_layer_by_names(
        self, keeper: Client, acme: operators.Named, layer: str, subject: str, field: str
    ) -> None:
        subject = acme.username if subject == "olga" else subject

        answer = keeper.post(ADD, form(acme, layer=layer, subject=subject), follow=True)

        cap = Cap.objects.get()
        assert (cap.layer, cap.subject_id) == (layer, getattr(acme.payer, field))
        assert cap.cap_microcredits == 12_500_000
        assert "12.5 credits" in answer.content.decode()

    def test_of_a_cap_that_exists_changes_that(self, keeper: Client, acme: operators.Named) -> None:
        cap = daily(acme, 7)

        keeper.post(ADD, form(acme, unlimited="on", credits=""))

        assert Cap.objects.get() == cap
        assert Cap.objects.get().cap_microcredits is None

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"credits": ""}, "Write an amount, or tick unlimited"),
            ({"unlimited": "on"}, "Write an amount, or tick unlimited"),
            ({"credits": "-1"}, "is negative"),
            ({"credits": "NaN"}, "is not a finite number"),
            ({"credits": "1e400"}, "is too large"),
            ({"credits": "0.0000001"}, "more than six decimals"),
            ({"credits": "ten"}, "is not a number of credits"),
            ({"window": "weekly"}, "The org layer has no weekly window"),
            ({"window": "hourly"}, "is not one of the available choices"),
            ({"layer": "planet"}, "is not one of the available choices"),
            ({"organization": "nowhere"}, "There is no organization"),
            ({"subject": "chatbot"}, "takes no subject"),
            ({"layer": "application"}, "needs a subject"),
            ({"layer": "application", "subject": "zzz"}, "has no application"),
            ({"layer": "user", "subject": "zoe"}, "has no member"),
        ],
    )
    def test_says_what_is_wrong_and_sets_nothing(
        self, keeper: Client, acme: operators.Named, fields: dict[str, str], said: str
    ) -> None:
        answer = keeper.post(ADD, form(acme, **fields))

        assert answer.status_code == 200
        assert said in answer.content.decode()
        assert not Cap.objects.exists()

    def test_is_filled_in_with_the_organisation_one_comes_from(
        self, keeper: Client, acme: operators.Named
    ) -> None:
        text = keeper.get(ADD, {"organization": acme.slug}).content.decode()

        assert f'value="{acme.slug}"' in text


class TestChange:
    def test_acts_on_the_next_request(self, keeper: Client, acme: operators.Named) -> None:
        cap = daily(acme, 1_000_000)

        keeper.post(page_of(cap), {"credits": "0", "reason": REASON})
        (answer,) = builders.hold(builders.request(acme.payer, 5))

        assert isinstance(answer, Refused)

    def test_can_lift_it(self, keeper: Client, acme: operators.Named) -> None:
        cap = daily(acme, 0)

        keeper.post(page_of(cap), {"unlimited": "on", "reason": REASON})

        assert Cap.objects.get().cap_microcredits is None

    def test_moves_it_to_nobody_else(self, keeper: Client, acme: operators.Named) -> None:
        cap = daily(acme, 7)

        keeper.post(
            page_of(cap), {"credits": "3", "layer": "user", "window": "total", "reason": REASON}
        )

        assert (Cap.objects.get().layer, Cap.objects.get().window) == ("org", "daily")

    def test_shows_what_is_spent_held_and_left(self, keeper: Client, acme: operators.Named) -> None:
        cap = daily(acme, 10_000_000)
        builders.admitted(acme.payer, 2_500_000)

        text = keeper.get(page_of(cap)).content.decode()

        assert "7.5" in text

    def test_goes_through_the_service(
        self, keeper: Client, acme: operators.Named, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cap = daily(acme, 7)
        asked: list[Any] = []
        monkeypatch.setattr(capping, "set_cap", lambda *args, **kwargs: asked.append(args))

        keeper.post(page_of(cap), {"credits": "3", "reason": REASON})

        assert asked == [(Layer.ORG, acme.organization_id, WindowKind.DAILY, 3_000_000)]
        assert Cap.objects.get().cap_microcredits == 7  # nothing else wrote the row


class TestPermissions:
    def test_a_watcher_sees_and_sets_nothing(self, watcher: Client, acme: operators.Named) -> None:
        cap = daily(acme, 7_000_000)

        answers = [
            watcher.get(page_of(cap)).status_code,
            watcher.post(page_of(cap), {"credits": "9", "reason": REASON}).status_code,
            watcher.get(ADD).status_code,
            watcher.post(ADD, form(acme)).status_code,
        ]

        assert answers == [200, 403, 403, 403]
        assert Cap.objects.get().cap_microcredits == 7_000_000
        assert 'name="credits"' not in watcher.get(page_of(cap)).content.decode()

    def test_nobody_deletes_one(self, acme: operators.Named) -> None:
        cap = daily(acme, 7)
        root = operators.superuser()

        assert root.post(f"/admin/budgets/cap/{cap.pk}/delete/", {"post": "yes"}).status_code == 403
        assert Cap.objects.exists()


class TestHistory:
    def test_says_who_changed_what(self, acme: operators.Named) -> None:
        cap = daily(acme, 7_000_000)
        keeper = operators.staff(["view_cap", "change_cap"])
        who = User.objects.latest("date_joined").username

        keeper.post(page_of(cap), {"credits": "9", "reason": REASON})

        newest = CapChange.objects.latest("id")
        text = keeper.get(page_of(cap)).content.decode()
        assert newest.by == f"{who} (admin)"
        assert (newest.was or {})["cap_microcredits"] == 7_000_000
        assert newest.became["cap_microcredits"] == 9_000_000
        assert "cap 7 → 9" in text
        assert f"{who} (admin)" in text

    def test_knows_what_was_written_around_the_service(self, acme: operators.Named) -> None:
        cap = daily(acme, 7)

        Cap.objects.update(cap_microcredits=8)

        assert [one.became["cap_microcredits"] for one in cap.changes.order_by("id")] == [7, 8]

    def test_leaves_out_what_changed_nothing(self, acme: operators.Named) -> None:
        daily(acme, 7)
        cap = daily(acme, 7)

        assert cap.changes.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_names_who_asked_over_http(self, acme: operators.Named) -> None:
        changes.change_caps(
            Layer.ORG,
            acme.organization_id,
            changes.CapChange(caps={WindowKind.DAILY: 7}),
            by=acme.payer.user_id,
            now=NOW,
        )

        assert CapChange.objects.get().by == f"{acme.username} (API)"

    def test_knows_raises_and_what_a_cap_does_when_it_is_hit(self, acme: operators.Named) -> None:
        application = acme.payer.application_id
        assert application is not None
        builders.cap(Layer.APPLICATION, application, WindowKind.TOTAL, 7)
        capping.raise_cap(
            Layer.APPLICATION, application, WindowKind.TOTAL, 9, until=FUTURE, now=NOW, by="olga"
        )
        capping.set_on_cap_hit(application, OnCapHit.SOFT_WARN, now=NOW, by="adam")

        cap = Cap.objects.get(subject_id=application, window="total")
        text = operators.superuser().get(page_of(cap)).content.decode()

        assert [one.by for one in cap.changes.order_by("id")] == ["", "olga", "adam"]
        assert "raised none → 0.000009; raised_until none → 2120-01-01" in text
        assert "on_cap_hit block → soft-warn" in text

    @pytest.mark.parametrize(
        "statement",
        ["UPDATE budgets_capchange SET by = 'someone else'", "DELETE FROM budgets_capchange"],
    )
    def test_is_never_rewritten(self, acme: operators.Named, statement: str) -> None:
        daily(acme, 7)

        with (
            pytest.raises(IntegrityError, match="append-only"),
            savepoint(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    def test_of_one_cap_is_what_its_button_leads_to(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        cap = daily(acme, 7)
        builders.cap(Layer.ORG, acme.organization_id, WindowKind.MONTHLY, 8)

        answer = watcher.get(f"/admin/budgets/cap/{cap.pk}/history/", follow=True)

        assert [one.cap for one in answer.context["cl"].result_list] == [cap]

    def test_escapes_names(self, watcher: Client, acme: operators.Named) -> None:
        cap = daily(acme, 7)
        Cap.objects.update(cap_microcredits=8, updated_by="<script>alert(1)</script>")

        text = watcher.get(page_of(cap)).content.decode()

        assert "alert(1)" in text
        assert "<script>alert(1)" not in text
