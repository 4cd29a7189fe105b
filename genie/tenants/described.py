"""What the routes of keys say of themselves."""

from genie.core.describing import JSON, KEYED, Answer, Body, Contract, Operation, Parameter
from genie.tenants.serializers import NewKeySerializer

_ONE = KEYED | {404}

CONTRACT = Contract(
    tags={"Organizations": "An organization's keys and caps. Bodies are camelCase."},
    operations={
        "GET /api/orgs/{org}/api-keys": Operation(
            id="listKeys",
            summary="Keys, the newest first; never a secret",
            parameters=(
                Parameter(
                    name="limit",
                    description="Keys on a page.",
                    schema={"type": "integer", "minimum": 1, "maximum": 200, "default": 100},
                    example=5,
                ),
                Parameter(name="cursor", description="`nextCursor` of the page before."),
            ),
            answers={200: Answer(description="A page.", content={JSON: "organizations/keys"})},
            refusals=_ONE,
            scope="admin",
        ),
        "POST /api/orgs/{org}/api-keys": Operation(
            id="createKey",
            summary="Make a key; its secret is shown this once",
            body=Body(
                schema=NewKeySerializer, example={"name": "website", "scopes": ["inference"]}
            ),
            answers={
                201: Answer(
                    description="It works at once.",
                    content={JSON: "organizations/key_with_secret"},
                )
            },
            refusals=_ONE | {415},
            scope="admin",
        ),
        "DELETE /api/orgs/{org}/api-keys/{key_id}": Operation(
            id="revokeKey",
            summary="Revoke a key; it fails on the next request",
            answers={204: Answer(description="It is revoked.")},
            refusals=_ONE,
            scope="admin",
        ),
    },
    paths=(
        Parameter(name="org", place="path", description="The organization's id or slug."),
        Parameter(name="key_id", place="path", description="A key's id."),
    ),
)
