"""The one error tree: every refusal has a stable code, an HTTP status and says whether to retry.

Outline (class, status, code)::

    GenieError
        InvalidRequest            400  invalid-request
        ContentPolicyViolation    400  content-policy-violation
        Unauthorized              401  unauthorized
        BudgetCapHit              402  budget-cap-hit
        Forbidden                 403  forbidden
            ModelNotAllowed       403  model-not-allowed
            IpNotAllowed          403  ip-not-allowed
        NotFound                  404  not-found
            JobNotFound           404  job-not-found
            ModelNotFound         404  model-not-found
        MethodNotAllowed          405  method-not-allowed
        JobTerminal               409  job-terminal
        PayloadTooLarge           413  payload-too-large
        UnsupportedMediaType      415  unsupported-media-type
        RangeNotSatisfiable       416  range-not-satisfiable
        IdempotencyKeyReused      422  idempotency-key-reused
        RateLimited               429  rate-limited        (retryable)
        QueueFull                 429  queue-full          (retryable)
        InternalError             500  internal-error
        InferenceFailed           500  inference-failed
        NoWorker                  503  no-worker           (retryable)
        Unavailable               503  unavailable         (retryable)
        GatewayTimeout            504  timeout

This module knows no framework: each facade renders the tree in its own envelope.
"""

import math
from typing import ClassVar


class GenieError(Exception):
    """A refusal or failure that a caller is told about.

    Args:
        message: One sentence: what happened, which value, what to do. Never a secret, a prompt or
            another tenant's data.
        extra: Further fields of the envelope, under their wire names.
    """

    code: str = "internal-error"
    http_status: int = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **extra: object) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, object]:
        """Return the flat envelope of the native contract."""
        return {"error": self.message, "code": self.code, **self.extra}


class InvalidRequest(GenieError):
    """The request breaks the contract; ``details`` names each field."""

    code = "invalid-request"
    http_status = 400

    @classmethod
    def of(cls, field: str, message: str) -> "InvalidRequest":
        """Return the error for one field: the sentence and a one-element ``details``."""
        where = f"{field}: " if field else ""
        return cls(f"{where}{message}", details=[{"field": field, "message": message}])


class ContentPolicyViolation(GenieError):
    """Pre-flight moderation refused the input."""

    code = "content-policy-violation"
    http_status = 400


class Unauthorized(GenieError):
    """No valid key: missing, malformed, unknown, revoked and expired are indistinguishable."""

    code = "unauthorized"
    http_status = 401

    def __init__(
        self, message: str = "A valid API key is needed: send 'Authorization: Bearer sk-genie-...'."
    ) -> None:
        super().__init__(message)
        self.headers["WWW-Authenticate"] = "Bearer"


class BudgetCapHit(GenieError):
    """A cap on one of the four layers leaves too little for the estimate."""

    code = "budget-cap-hit"
    http_status = 402


class Forbidden(GenieError):
    """The caller is known but may not do this."""

    code = "forbidden"
    http_status = 403


class ModelNotAllowed(Forbidden):
    """The key's ``allowedModels`` names neither the requested nor the resolved model."""

    code = "model-not-allowed"


class IpNotAllowed(Forbidden):
    """The caller's address is outside the key's ``allowedCIDRs``."""

    code = "ip-not-allowed"


class NotFound(GenieError):
    """No such route or object for this caller."""

    code = "not-found"
    http_status = 404


class JobNotFound(NotFound):
    """No such job in the caller's organisation."""

    code = "job-not-found"

    def __init__(self, message: str = "No job has this id.") -> None:
        super().__init__(message)


class ModelNotFound(NotFound):
    """No such model or alias."""

    code = "model-not-found"


class MethodNotAllowed(GenieError):
    """The route exists, but not for this method; ``Allow`` names those that do."""

    code = "method-not-allowed"
    http_status = 405

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(f"{method} is not allowed here; use {' or '.join(allowed)}.")
        self.headers["Allow"] = ", ".join(allowed)


class JobTerminal(GenieError):
    """The job has already ended; its state never changes again."""

    code = "job-terminal"
    http_status = 409


class PayloadTooLarge(GenieError):
    """The body is over the route's limit."""

    code = "payload-too-large"
    http_status = 413


class UnsupportedMediaType(GenieError):
    """The body is not what the route reads."""

    code = "unsupported-media-type"
    http_status = 415


class RangeNotSatisfiable(GenieError):
    """A file has no byte of the ``Range`` that was asked for."""

    code = "range-not-satisfiable"
    http_status = 416

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The file has {size} bytes, and none of them in this Range; ask for a part of "
            f"bytes=0-{max(size - 1, 0)}, or for the whole without the header."
        )
        self.headers |= {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}


class IdempotencyKeyReused(GenieError):
    """The same ``Idempotency-Key`` came with another body."""

    code = "idempotency-key-reused"
    http_status = 422


class RetryLater(GenieError):
    """A refusal that goes away by itself; carries ``Retry-After``."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **extra: object) -> None:
        super().__init__(message, **extra)
        self.headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))


class RateLimited(RetryLater):
    """The key's requests per minute or per day are used up."""

    code = "rate-limited"
    http_status = 429


class QueueFull(RetryLater):
    """The queue is deeper than its limit."""

    code = "queue-full"
    http_status = 429


class InternalError(GenieError):
    """A defect of ours."""

    def __init__(
        self,
        message: str = "Something failed on our side; quote the request id when you report it.",
    ) -> None:
        super().__init__(message)


class InferenceFailed(GenieError):
    """The job that a sync caller waited for has ended without a result; ``code`` is the job's own."""

    code = "inference-failed"
    http_status = 500

    def __init__(
        self, message: str, *, code: str = code, http_status: int = http_status, **extra: object
    ) -> None:
        super().__init__(message, **extra)
        self.code = code
        self.http_status = http_status


class NoWorker(RetryLater):
    """No worker has served this queue for a while, and the caller waits."""

    code = "no-worker"
    http_status = 503


class Unavailable(RetryLater):
    """The database cannot be reached or is too busy, or this process ends before the answer."""

    code = "unavailable"
    http_status = 503


class GatewayTimeout(GenieError):
    """The job did not end within the time that a sync caller waits."""

    code = "timeout"
    http_status = 504
