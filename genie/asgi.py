"""The ASGI entry point: job routes on the lean handler, management and pages on Django's own."""

import os
import re
import sys
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "genie.settings")
_django = get_asgi_application()  # sets Django up; what follows imports models

from django.utils.module_loading import import_string  # noqa: E402

from genie.core import startup  # noqa: E402
from genie.core.lean import LeanHandler, Receive, Scope, Send  # noqa: E402
from jobs import body_limits, mounts, web  # noqa: E402

startup.refuse_unsound()
# The event loop and the database threads share one interpreter lock. At Python's 5 ms a database
# thread waits that long for the loop after each statement; see docs/adr/0003.
sys.setswitchinterval(0.0005)


def _handlers() -> list[tuple[str, LeanHandler]]:
    """Return the handler of each prefix, the longest first."""
    found = []
    for mount in mounts.MOUNTS:
        handler = LeanHandler(
            mount.urlconf,
            body_limit=body_limits.of,
            spools=body_limits.SPOOLED,
            any_host=("/health", "/ready"),
            render=import_string(mount.render) if mount.render else None,
            **({"finish": import_string(mount.finish)} if mount.finish else {}),
        )
        found += [(prefix, handler) for prefix in mount.prefixes]
    return sorted(found, key=lambda one: len(one[0]), reverse=True)


_lean = _handlers()
# Below the same prefixes, but management: rare, and with serializers.
_MANAGEMENT = re.compile(r"(?:/api)?/v1/(?:webhooks|events)(?:/|$)")


async def application(scope: Scope, receive: Receive, send: Send) -> Any:
    """Serve one connection event."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http" and (handler := _lean_handler(scope["path"])) is not None:
        await handler(scope, receive, send)
    else:
        await _django(scope, receive, send)


def _lean_handler(path: str) -> LeanHandler | None:
    for prefix, handler in _lean:
        if path.startswith(prefix):
            return handler if _MANAGEMENT.match(path) is None else None
    return None


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await web.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
