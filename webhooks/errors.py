"""What can go wrong on the way out, as an outline.

Outline::

    UrlRefused        (InvalidRequest)  the URL may not be called; one message, whatever the reason
    CannotRedeliver   (InvalidRequest)  this delivery cannot be sent once more
    TransportError                      an attempt brought no answer; carries an ErrorClass
    FetchFailed                         a caller's URL brought nothing usable; carries a FetchReason

This module knows no framework.
"""

from enum import StrEnum

from genie.core.errors import InvalidRequest

# One sentence for every reason: a caller who could tell "no such host" from "that host is private"
# could map the network we stand in.
REFUSED = "This URL cannot be used: give an https URL of a public host, without credentials."


class ErrorClass(StrEnum):
    """Why an attempt brought no usable answer; kept in the notification log."""

    BLOCKED_ADDRESS = "blocked-address"  # the host, or one of its addresses, may not be called
    URL_REFUSED = "url-refused"  # scheme, port or shape is not allowed by today's settings
    SECRET_UNREADABLE = "secret-unreadable"  # noqa: S105 - no key in the ring opens the secret
    DNS = "dns"  # the name did not resolve, or not in time
    CONNECT = "connect"  # nobody accepted the connection
    TLS = "tls"  # handshake or certificate failed
    TIMEOUT = "timeout"  # the clock of the whole attempt ran out
    RESET = "reset"  # the connection broke before the answer was complete
    PROBE = "probe"  # asked before the POST, the receiver said that it was not ready
    PROTOCOL = "protocol"  # the answer is not HTTP
    INTERNAL = "internal"  # a defect of ours; the log has the trace


class TransportError(Exception):
    """An attempt brought no complete answer.

    Args:
        error_class: What kind of failure it was.
        status: The status line's code, where one had arrived before the failure.
    """

    def __init__(self, error_class: ErrorClass, *, status: int | None = None) -> None:
        super().__init__(error_class.value)
        self.error_class = error_class
        self.status = status


class FetchReason(StrEnum):
    """Why a caller's URL brought nothing usable."""

    UNREACHABLE = "unreachable"  # refused by us, or no complete answer; never told apart to callers
    STATUS = "status"  # the answer's status is not 200
    REDIRECTS = "redirects"  # more than are followed
    TYPE = "type"  # not one of the accepted content types
    ENCODED = "encoded"  # compressed, though that was not asked for
    TOO_LARGE = "too-large"  # more bytes than are taken


_FETCH_MESSAGES = {
    FetchReason.UNREACHABLE: "could not be fetched: give an https URL of a public host that answers in time",
    FetchReason.STATUS: "answered with a status other than 200",
    FetchReason.REDIRECTS: "redirects too often",
    FetchReason.TYPE: "is not of an accepted content type",
    FetchReason.ENCODED: "came with a content encoding; serve it without one",
    FetchReason.TOO_LARGE: "is too large",
}


class FetchFailed(Exception):
    """A caller's URL brought nothing usable. The message is for the caller and names no address.

    Args:
        reason: What was wrong.
        why: Behind ``UNREACHABLE``; for our log alone, or callers could map our network by it.
        status: Behind ``STATUS``.
    """

    def __init__(
        self, reason: FetchReason, *, why: ErrorClass | None = None, status: int | None = None
    ) -> None:
        said = f" ({status})" if status is not None else ""
        super().__init__(f"The URL {_FETCH_MESSAGES[reason]}{said}.")
        self.reason = reason
        self.why = why
        self.status = status


class UrlRefused(InvalidRequest):
    """The URL may not be called. The message never says why."""

    def __init__(self, field: str = "webhook.url") -> None:
        super().__init__(f"{field}: {REFUSED}", details=[{"field": field, "message": REFUSED}])


class CannotRedeliver(InvalidRequest):
    """The delivery is still under way, or the secret that signed it is gone."""
