"""What can go wrong for a caller, as one tree.

Outline::

    GenieError
        NotConfigured             no key, or an address that is none
        NoAnswer                  nothing came back, or not in time; what was safe to repeat was repeated
        UnexpectedAnswer          what came back is not of this API
        ApiError                  a refusal: status, code, message, request id, Retry-After
            InvalidRequest        400
            Unauthorized          401
            BudgetCapHit          402
            Forbidden             403
            NotFound              404
            Conflict              409
            IdempotencyKeyReused  422
            RateLimited           429
            Unavailable           503
        JobFailed                 a job that was waited for ended without a result
        StillRunning              a job did not end within the time that its caller would wait

No message holds the key, or anything of a request's body.
"""

from collections.abc import Mapping
from typing import Any


class GenieError(Exception):
    """Anything that this package raises on purpose; its text is one sentence for a person."""


class NotConfigured(GenieError):
    """There is no key, or the address or a limit is none."""


class NoAnswer(GenieError):
    """No answer came: the connection failed, was cut, or was silent for too long.

    Attributes:
        sent: Whether the request may have reached the server.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class UnexpectedAnswer(GenieError):
    """An answer that is not of this API: is the address right, or a proxy in between?"""


class ApiError(GenieError):
    """An answer that is no success.

    Attributes:
        status: The HTTP status.
        code: Stable and kebab-case, such as ``budget-cap-hit``; empty where a proxy answered.
        message: One sentence for a person.
        request_id: Of ``X-Request-Id``; quote it when you report a problem.
        retry_after_s: Seconds after which to try again, where the server says so.
        details: Of ``invalid-request``: ``{"field", "message"}`` of each field that is wrong.
        job_id: The job that the answer is about, where there is one.
        body: The whole envelope.
    """

    def __init__(
        self, message: str, *, status: int, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.body = dict(body)
        self.code = str(body.get("code") or "")
        self.request_id = headers.get("x-request-id", "")
        self.retry_after_s = _seconds(headers.get("retry-after", ""))
        self.details: list[dict[str, str]] = list(body.get("details") or ())
        job_id = body.get("id") or headers.get("x-genie-job-id")
        self.job_id = None if job_id is None else str(job_id)

    def __str__(self) -> str:
        """Return the sentence with what a report needs."""
        known = [f"HTTP {self.status}", self.code, self.request_id and f"request {self.request_id}"]
        return f"{self.message} ({', '.join(part for part in known if part)})"


class InvalidRequest(ApiError):
    """The request breaks the contract, or moderation refused its input."""


class Unauthorized(ApiError):
    """The key is unknown, revoked or expired."""


class BudgetCapHit(ApiError):
    """A cap leaves too little for the request."""

    @property
    def cap_layer(self) -> str:
        """Return whose cap it is: ``org``, ``application``, ``member`` or ``user``."""
        return str(self.body.get("capLayer", ""))

    @property
    def cap_window(self) -> str:
        """Return what it counts over: ``daily``, ``weekly``, ``monthly`` or ``total``."""
        return str(self.body.get("capWindow", ""))

    @property
    def resets_at(self) -> str | None:
        """Return when the window begins anew (ISO 8601, UTC); None if it never does."""
        return self.body.get("resetsAt")


class Forbidden(ApiError):
    """The key may not do this, use this model, or be used from this network."""


class NotFound(ApiError):
    """There is no such thing for this organization."""


class Conflict(ApiError):
    """The job has already ended (``job-terminal``)."""


class IdempotencyKeyReused(ApiError):
    """The same idempotency key came with another body."""


class RateLimited(ApiError):
    """The key's requests are used up (``rate-limited``), or the queue is full (``queue-full``)."""


class Unavailable(ApiError):
    """No worker (``no-worker``), or the server is busy or being stopped (``unavailable``)."""


class JobFailed(GenieError):
    """A job ended without a result.

    Attributes:
        job_id: Whose job it was.
        status: ``failed``, ``cancelled`` or ``timeout``.
        code: Such as ``inference-failed``, ``execution-timeout`` or ``worker-lost``.
        message: One sentence for a person.
        request_id: Of the answer that told it, if known.
    """

    def __init__(
        self, message: str, *, job_id: str, status: str, code: str, request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.job_id = job_id
        self.status = status
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        """Return the sentence with what a report needs."""
        known = [f"job {self.job_id}", self.code, self.request_id and f"request {self.request_id}"]
        return f"{self.message} ({', '.join(part for part in known if part)})"


class StillRunning(GenieError):
    """A job did not end in time.

    Attributes:
        job_id: The job; ask for it again later.
        cancelled: Whether it was cancelled, as it is where nobody could ask for it again.
    """

    def __init__(self, message: str, *, job_id: str, cancelled: bool) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.cancelled = cancelled


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    402: BudgetCapHit,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: IdempotencyKeyReused,
    429: RateLimited,
    503: Unavailable,
}


def refusal(*, status: int, headers: Mapping[str, str], body: Any) -> ApiError:
    """Return the error that an answer is.

    Args:
        status: Its HTTP status.
        headers: Its headers; names are looked up in lower case.
        body: Its decoded JSON, or None where it has none.
    """
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    said = fields.get("error")
    message = said if isinstance(said, str) and said else f"The server answered {status}."
    kind = _BY_STATUS.get(status, ApiError)
    return kind(message, status=status, headers=headers, body=fields)


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
