"""What the routes of caps say of themselves."""

from typing import Any

from budgets import serializers
from genie.core.describing import JSON, KEYED, Answer, Body, Contract, Operation, Parameter

_ONE = KEYED | {404}
_CHANGE = _ONE | {415}


def _of(
    name: str, what: str, schema: str, serializer: type, example: dict[str, Any]
) -> tuple[Operation, Operation]:
    """Return how to read and how to change the caps of one layer."""
    answers = {
        200: Answer(
            description="All of it, as it is now.", content={JSON: f"organizations/{schema}"}
        )
    }
    return (
        Operation(
            id=f"get{name}", summary=what, answers=answers, refusals=_ONE, scope="budgets:write"
        ),
        Operation(
            id=f"change{name}",
            summary=f"Change {what[:1].lower()}{what[1:]}",
            description="A field that is absent stays as it is, null makes its cap unlimited, 0 allows nothing.",
            body=Body(schema=serializer, example=example),
            answers=answers,
            refusals=_CHANGE,
            scope="budgets:write",
        ),
    )


_LAYERS = {
    "/api/orgs/{org}/budget": _of(
        "OrganizationBudget",
        "The organization's caps",
        "budget",
        serializers.OrganizationBudgetSerializer,
        {"dailyBudget": 100, "monthlyBudget": None},
    ),
    "/api/orgs/{org}/applications/{application_id}": _of(
        "Application",
        "An application's caps, what they do, and who is told",
        "application",
        serializers.ApplicationSerializer,
        {"dailySpendCap": 12.5, "onCapHit": "soft-warn"},
    ),
    "/api/orgs/{org}/members/{user_id}/budget": _of(
        "MemberBudget",
        "A member's caps",
        "member_budget",
        serializers.MemberBudgetSerializer,
        {"weeklySpendCap": 40},
    ),
}

CONTRACT = Contract(
    tags={"Organizations": "An organization's keys and caps. Bodies are camelCase."},
    operations={
        f"{method} {path}": operation
        for path, pair in _LAYERS.items()
        for method, operation in zip(("GET", "PATCH"), pair, strict=True)
    },
    paths=(
        Parameter(name="org", place="path", description="The organization's id or slug."),
        Parameter(name="application_id", place="path", description="An application's id."),
        Parameter(name="user_id", place="path", description="The id of the member's user."),
    ),
)
