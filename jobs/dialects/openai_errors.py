"""An error of the tree as OpenAI's error object, by which its SDKs choose their exceptions. Pure."""

from genie.core import errors

# By status, as OpenAI's SDKs and their users know them.
_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
# Where OpenAI has a code of its own for the same thing, clients look for it.
_CODES = {
    "unauthorized": "invalid_api_key",
    "model-not-found": "model_not_found",
    "rate-limited": "rate_limit_exceeded",
    "budget-cap-hit": "insufficient_quota",
    "content-policy-violation": "content_policy_violation",
}


def error_object(error: errors.GenieError) -> dict[str, object]:
    """Return OpenAI's error object; what the native envelope says further stands beside it."""
    extra = dict(error.extra)
    details = extra.pop("details", None)
    param = details[0]["field"] if isinstance(details, list) and details else None
    usual = "server_error" if error.http_status >= 500 else "invalid_request_error"
    return {
        "message": error.message,
        "type": _TYPES.get(error.http_status, usual),
        "param": param or None,
        "code": _CODES.get(error.code, error.code),
        **extra,
    }
