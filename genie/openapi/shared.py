"""What all contracts share: statuses, headers, ways to say who one is."""

from typing import Any, NamedTuple

from django.conf import settings


class Status(NamedTuple):
    """Why a request is refused with a status, and the headers that come with it."""

    description: str
    headers: tuple[str, ...] = ()


STATUSES = {
    400: Status("The body, a header, a parameter or the `Host` breaks the contract, or moderation refused the input."),
    401: Status(
        "No valid key: missing, malformed, unknown, revoked and expired look the same.",
        ("WWW-Authenticate",),
    ),
    402: Status("A cap is reached: nothing was begun and nothing is held.", ("X-Genie-Budget-Remaining",)),
    403: Status("The key or role may not do this, or not from this address."),
    404: Status("It does not exist for this organization."),
    409: Status("The job has ended, or somebody cancelled it while its caller waited."),
    413: Status("The body is larger than this route takes."),
    415: Status("The body is not of the media type that this route reads, or is compressed."),
    416: Status("The file has no byte of this `Range`.", ("Content-Range",)),
    422: Status("The same `Idempotency-Key` came before with another body."),
    429: Status("The key's rate or the queue's room is used up; nothing is held.", ("Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")),
    500: Status("A defect, or the failure of the job that the caller waited for."),
    503: Status("No worker serves the queue, the database does not answer, or this process is being stopped.", ("Retry-After",)),
    504: Status("The job did not end within the time that a caller waits."),
}  # fmt: skip


def _header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": schema or {"type": "string"}}


HEADERS = {
    "X-Request-Id": _header("Quote it when you report a problem."),
    "Retry-After": _header("After how many seconds to ask again.", type="integer", minimum=1),
    "openai-poll-after-ms": _header(
        "The same in milliseconds, as OpenAI's SDKs read it.", type="integer"
    ),
    "WWW-Authenticate": _header("`Bearer`"),
    "X-RateLimit-Limit": _header("Requests that the key has in its window.", type="integer"),
    "X-RateLimit-Remaining": _header("How many are left.", type="integer"),
    "X-RateLimit-Reset": _header("In how many seconds there are more.", type="integer"),
    "X-Genie-Budget-Remaining": _header(
        "Credits that the tightest cap has left, where the application's caps warn."
    ),
    "X-Genie-Job-Id": _header("The job behind a stream, to resume it by."),
    "Idempotent-Replayed": _header("`true`: this is the answer of an earlier request."),
    "ETag": _header("For `If-None-Match`."),
    "Content-Range": _header("Which bytes these are; of a 416, how many there are."),
    "Location": _header("Where the content is, for an hour."),
    "Content-Disposition": _header("The name to save it under."),
}

SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sk-genie-{organization}-{24 characters}",
        "description": "A key of the organization. An operation names the scope that it needs.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "A signed-in member's session. Unsafe methods need the header `X-CSRFToken` too.",
    },
    **{
        name: {
            "type": "apiKey",
            "in": "header",
            "name": name,
            "description": "A key of the organization, with or without `sk-bf-` before it. The first of `x-bf-vk`, `Authorization`, `x-api-key`, `x-goog-api-key` and `api-key` that has a value decides.",
        }
        for name in ("x-bf-vk", "x-api-key", "x-goog-api-key", "api-key")
    },
}
