"""A lean ASGI handler for JSON routes: Django's requests, routes and responses without its overhead.

Django's own ASGI handler makes a thread context and an executor for each request, and runs its
middleware through them. The job routes need none of that: their views are async, their database
work runs on threads of its own (``genie.core.coalesce``), and only a view that waits listens for
the caller's disconnect. See docs/adr for the measurement.
"""

from genie.core.lean.handler import LeanHandler, routes
from genie.core.lean.messages import (
    EventStream,
    LeanRequest,
    Receive,
    Scope,
    Send,
    Stream,
    View,
)

__all__ = [
    "EventStream",
    "LeanHandler",
    "LeanRequest",
    "Receive",
    "Scope",
    "Send",
    "Stream",
    "View",
    "routes",
]
