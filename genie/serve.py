"""Serves: checks that this production is sound, then becomes uvicorn with the options that Genie needs.

``python -m genie.serve --workers 2 --port 8000``; whatever follows is uvicorn's own. The check is made
here as well as in each web process, because uvicorn's parent of several ends with status 0 when one
of them refuses to start: nobody who restarts on failure would.
"""

import os
import sys

import django

from genie.core import startup

ARGUMENTS = (
    *("genie.asgi:application", "--loop", "uvloop", "--http", "genie.protocol:Protocol"),
    *("--lifespan", "on", "--no-access-log", "--no-server-header", "--no-proxy-headers"),
    *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "30"),
)


def main() -> None:
    """Take uvicorn's place in this process, so that signals reach it and no parent is left.

    Raises:
        SystemExit: with status 1 and a sentence for each error; in production alone.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "genie.settings")
    django.setup()
    startup.refuse_unsound()
    os.execv(  # noqa: S606 - argv is ours and the operator's
        sys.executable, [sys.executable, "-m", "uvicorn", *ARGUMENTS, *sys.argv[1:]]
    )


if __name__ == "__main__":
    main()
