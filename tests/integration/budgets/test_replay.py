"""Replaying recorded decisions: today's caps say what they said, other caps what they would have."""

import datetime as dt
import io
import json
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from budgets import replay
from budgets.gate import Mode
from budgets.replay import OtherCap
from budgets.simulation import Outcome
from budgets.types import Held, HoldRequest, Payer
from budgets.windows import Layer, WindowKind
from genie.core import ids
from genie.tenants import services as tenants
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db(transaction=True)
DAILY, MONTHLY = WindowKind.DAILY, WindowKind.MONTHLY


def simulated(payer: Payer, *others: OtherCap, **bounds: dt.datetime) -> Outcome:
    now = timezone.now()
    span = {"since": now - dt.timedelta(hours=12), "until": now + dt.timedelta(hours=12)} | bounds
    return replay.simulate(payer.organization_id, others, listed=10, **span)


def other(layer: Layer, window: WindowKind, cap: int | None, subject: Any = None) -> OtherCap:
    return OtherCap(layer=layer, subject_id=subject, window=window, cap=cap)


def asked(payer: Payer, amount: int, *, mode: Mode = Mode.ON) -> tuple[uuid.UUID, bool]:
    reference = ids.new_id()
    request = HoldRequest(reference=reference, payer=payer, amount_microcredits=amount)
    (answer,) = builders.hold(request, mode=mode)
    return reference, isinstance(answer, Held)


class TestSimulate:
    def test_says_of_todays_caps_what_they_have_said(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.MEMBER, payer.member_id, DAILY, 10)
        said = []
        for amount, cost in ((6, 2), (9, None), (8, 8), (1, None)):
            reference, admitted = asked(payer, amount)
            said.append(admitted)
            if admitted and cost is not None:
                builders.settle(reference, cost)

        outcome = simulated(payer)

        assert said == [True, False, True, False]
        assert (outcome.events, outcome.refused) == (4, 2)
        assert (outcome.newly_refused, outcome.newly_admitted) == (0, 0)

    def test_says_what_a_lower_cap_would_have_refused(self) -> None:
        payer = builders.new_payer()
        references = [builders.admitted(payer, 4) for _ in range(3)]

        outcome = simulated(payer, other(Layer.ORG, DAILY, 8))

        assert [one.reference for one in outcome.refusals] == references[2:]
        assert outcome.newly_refused == 1

    def test_counts_what_was_spent_and_held_before_it_begins(self) -> None:
        payer = builders.new_payer()
        builders.settle(builders.admitted(payer, 9), 5)
        builders.admitted(payer, 3)
        begin = timezone.now()
        builders.admitted(payer, 2)
        builders.admitted(payer, 1)

        outcome = simulated(payer, other(Layer.APPLICATION, WindowKind.TOTAL, 10), since=begin)

        assert (outcome.events, outcome.refused) == (2, 1)

    def test_settles_within_it_what_was_held_before(self) -> None:
        payer = builders.new_payer()
        earlier = builders.admitted(payer, 9)
        begin = timezone.now()
        builders.admitted(payer, 5)
        builders.settle(earlier, 1)
        builders.admitted(payer, 5)

        outcome = simulated(payer, other(Layer.ORG, DAILY, 10), since=begin)

        assert (outcome.events, outcome.refused) == (2, 1)
        assert outcome.refusals[0].requested == 5

    def test_replays_one_organization_and_one_time_only(self) -> None:
        payer, stranger = builders.new_payer(), builders.new_payer()
        builders.admitted(payer, 1)
        builders.admitted(stranger, 1)
        end = timezone.now()
        builders.admitted(payer, 1)

        assert simulated(payer, until=end).events == 1
        assert simulated(stranger).events == 1

    def test_takes_a_cap_of_one_subject_over_one_of_all(self) -> None:
        payer = builders.new_payer()
        sibling = Payer(organization_id=payer.organization_id, application_id=ids.new_id())
        builders.admitted(payer, 5)
        builders.admitted(sibling, 5)

        outcome = simulated(
            payer,
            other(Layer.APPLICATION, DAILY, 1),
            other(Layer.APPLICATION, DAILY, None, sibling.application_id),
        )

        assert (outcome.events, outcome.refused) == (2, 1)

    def test_counts_a_job_once_that_was_refused_parked_and_admitted(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, DAILY, 1)
        parked = HoldRequest(reference=ids.new_id(), payer=payer, amount_microcredits=5)
        assert not isinstance(builders.hold(parked)[0], Held)
        builders.cap(Layer.ORG, payer.organization_id, DAILY, 10)
        assert isinstance(builders.hold(parked)[0], Held)

        outcome = simulated(payer)

        assert (outcome.events, outcome.refused) == (1, 0)

    def test_counts_a_shadow_refusal_as_admitted(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, MONTHLY, 1)
        asked(payer, 5, mode=Mode.SHADOW)

        outcome = simulated(payer)

        assert (outcome.refused, outcome.newly_refused) == (1, 1)


def run(*arguments: str) -> Any:
    out = io.StringIO()
    call_command("budgets", "simulate", "--org", "acme", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


class TestCommand:
    @pytest.fixture(autouse=True)
    def payer(self) -> Payer:
        organization = tenants.create_organization("acme", owner="olga")
        shop = tenants.create_application(organization.id, name="shop")
        return Payer(organization_id=organization.id, application_id=shop.id)

    def test_prints_how_many_and_which(self, payer: Payer) -> None:
        first, second = (builders.admitted(payer, 1_500_000) for _ in range(2))
        del first

        said = run("--cap", "application/shop:daily=2", "--cap", "org:monthly=none")

        assert (said["events"], said["admitted"], said["refused"]) == (2, 1, 1)
        assert said["byCap"] == [
            {"layer": "application", "window": "daily", "refused": 1, "requested": 1.5}
        ]
        (refusal,) = said["refusals"]
        assert refusal.pop("at").endswith("Z")
        assert refusal == {
            "id": ids.bare(second), "requested": 1.5, "layer": "application", "window": "daily",
            "wasAdmitted": True,
        }  # fmt: skip

    def test_prints_sentences_for_people(self, payer: Payer) -> None:
        reference = builders.admitted(payer, 1)
        out = io.StringIO()

        call_command("budgets", "simulate", "--org", "acme", "--cap", "org:daily=0", stdout=out)

        assert "1 requests: 1 would have been refused" in out.getvalue()
        assert ids.bare(reference) in out.getvalue()

    def test_bounds_the_time_and_the_list(self, payer: Payer) -> None:
        builders.admitted(payer, 1)

        assert run("--cap", "org:daily=0", "--to", "2026-01-31")["events"] == 0
        assert run("--cap", "org:daily=0", "--limit", "0")["refusals"] == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--cap", "org:weekly=1"], "no weekly window"),
            (["--cap", "team:daily=1"], "is no cap"),
            (["--cap", "org:daily"], "is no cap"),
            (["--cap", "org:daily=NaN"], "not a finite"),
            (["--cap", "org:daily=-1"], "negative"),
            (["--cap", "org/acme:daily=1"], "takes no subject"),
            (["--cap", "application/none:daily=1"], "has no application"),
            (["--cap", "org:daily=1", "--from", "yesterday"], "is no time"),
            (["--cap", "org:daily=1", "--limit", "-1"], "from 0 to"),
        ],
    )
    def test_refuses_with_one_sentence(self, arguments: list[str], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("budgets", "simulate", "--org", "acme", *arguments)


class TestHolds:
    def test_names_the_jobs_that_hold_the_money(self) -> None:
        organization = tenants.create_organization("acme", owner="olga")
        payer = Payer(organization_id=organization.id)
        references = [builders.admitted(payer, 250_000) for _ in range(3)]
        out = io.StringIO()

        call_command("budgets", "holds", "--org", "acme", "--limit", "2", "--json", stdout=out)

        said = json.loads(out.getvalue())
        assert (said["total"], said["amount"]) == (3, 0.75)
        assert [one["id"] for one in said["data"]] == [
            ids.bare(reference) for reference in references[:0:-1]
        ]
