"""The amounts of a quote keep their order, whatever is asked and whatever was seen before."""

import dataclasses
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.gate import Decision, Mode
from budgets.types import Foreseen
from inference.specs import Price, Unit
from jobs import prices, quotes
from jobs.lengths import UsualCompletion
from jobs.moves import NewJob
from jobs.quotes import Question, Quote
from jobs.serving import wire
from jobs.states import JobKind, Lane
from jobs.states import Mode as JobMode

ALLOWED = Foreseen(mode=Mode.ON, decision=Decision.ALLOW, allowed=True, explained={"layers": []})
_ID = uuid.UUID(int=1)
tokens = st.integers(min_value=0, max_value=10_000_000)
rates = st.integers(min_value=0, max_value=10**8)


def question(
    price: Price, *, bound: int, counted: int, least: int = 0, most: int = 100
) -> Question:
    """Return a question about a chat whose estimate is made as a submit makes it."""
    job = NewJob(
        id=_ID,
        organization_id=_ID,
        application_id=None,
        member_id=None,
        user_id=None,
        api_key_id=None,
        kind=JobKind.CHAT,
        mode=JobMode.SYNC,
        queue="chat",
        lane=Lane.INTERACTIVE,
        requested_model="lite",
        model="tiny",
        request={},
        max_attempts=5,
        start_limit_s=1.0,
        run_limit_s=1.0,
        price_version=price.version,
        price_rates=price.rates,
        estimate_microcredits=prices.estimate(price, prices.tokens(prompt=bound, completion=most)),
        webhook_url="",
        webhook_secret=None,
    )
    return Question(
        job=job,
        price=price,
        prompt_bound=bound,
        prompt_tokens=counted,
        least_completion=least,
        most_completion=most,
    )


@st.composite
def quoted(draw: st.DrawFn) -> Quote:
    """Draw a quote of a request that the submit would take."""
    bound, most = draw(tokens), draw(tokens)
    asked = question(
        Price(version="1", rates={Unit.PROMPT: draw(rates), Unit.COMPLETION: draw(rates)}),
        bound=bound,
        counted=draw(st.integers(min_value=0, max_value=bound)),
        least=draw(st.integers(min_value=0, max_value=most)),
        most=most,
    )
    usual = UsualCompletion(p95=draw(st.none() | tokens), sample=7)
    return quotes.priced(asked, usual=usual, foreseen=ALLOWED)


class TestPriced:
    @given(quoted())
    def test_low_p95_and_maximum_are_in_this_order(self, quote: Quote) -> None:
        seen = [] if quote.p95 is None else [quote.p95]
        amounts = [0, quote.low, *seen, quote.maximum]

        assert amounts == sorted(amounts)


class TestQuoteBody:
    PRICE = Price(version="7", rates={Unit.PROMPT: 1_000_000, Unit.COMPLETION: 2_000_000})

    def body(self, foreseen: Foreseen, *, p95: int | None = 20) -> dict[str, Any]:
        asked = question(self.PRICE, bound=50, counted=30)
        usual = UsualCompletion(p95=p95, sample=0 if p95 is None else 12)
        quote = quotes.priced(asked, usual=usual, foreseen=foreseen)
        return wire.quote_body(quote, route="/v1/chat/completions")

    def test_is_the_documented_one(self) -> None:
        assert self.body(ALLOWED) == {
            "object": "quote",
            "route": "/v1/chat/completions",
            "model": "tiny",
            "price_version": "7",
            "unit": "credits",
            "low": 0.00003,
            "p95": 0.00007,
            "p95_sample": 12,
            "maximum": 0.00025,
            "quantities": {"prompt_tokens": 50, "max_completion_tokens": 100},
            "budget_mode": "on",
            "decision": "allow",
            "allowed": True,
            "layers": [],
        }

    def test_names_the_cap_that_would_trip_as_a_402_does(self) -> None:
        explained = {"capLayer": "org", "capWindow": "total", "layers": [{"layer": "org"}]}
        refused = Foreseen(
            mode=Mode.SHADOW,
            decision=Decision.REFUSE,
            allowed=True,
            over_microcredits=150,
            explained=explained,
        )

        body = self.body(refused, p95=None)

        assert {name: body[name] for name in explained} == explained
        assert (body["exceededBy"], body["decision"], body["budget_mode"]) == (
            0.00015,
            "refuse",
            "shadow",
        )
        assert (body["allowed"], body["p95"], body["p95_sample"]) == (True, None, 0)

    @pytest.mark.parametrize("over", [0, 1])
    def test_tells_by_how_much_even_where_it_is_nothing(self, over: int) -> None:
        # A cap of 0 refuses even a free request.
        refused = dataclasses.replace(ALLOWED, over_microcredits=over)

        assert self.body(refused)["exceededBy"] == over / 1e6
