"""Refuses to start a server or a worker of a production that is unsound.

`manage.py check --deploy` tells whoever asks; this tells whoever does not. Web processes call it as
they load the application, Celery's processes as they begin.
"""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core import checks
from django.db import Error as DatabaseError
from django.db import connection

logger = logging.getLogger(__name__)


def refuse_unsound() -> None:
    """End this process with a sentence for each error of the system checks; in production alone.

    What a deployment is warned of is logged, and starts. A database that does not answer is no
    reason to stay away: it is asked again by whoever starts next.

    Raises:
        SystemExit: There is an error.
    """
    if not settings.PRODUCTION:
        return
    found = [*checks.run_checks(include_deployment_checks=True), *_of_the_database()]
    found = [one for one in found if not one.is_silenced()]
    if refused := [one for one in found if one.is_serious(checks.ERROR)]:
        # Beat drops the words of an exit, and has a logger in the place of stderr by then.
        words = "\n".join(["This production does not start:", *_sentences(refused), ""])
        (sys.__stderr__ or sys.stderr).write(words)
        _stop_supervisor()
        raise SystemExit(1)
    for sentence in _sentences(found):
        logger.warning(sentence)


def _stop_supervisor() -> None:
    """Ask the process that forked this one to end: uvicorn's would start it again, for ever."""
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        os.kill(parent.pid, signal.SIGTERM)


def _of_the_database() -> list[checks.CheckMessage]:
    """Return what the checks say that ask the database, if it answers."""
    try:
        with ThreadPoolExecutor(1) as thread:  # a web process loads within an event loop
            return thread.submit(_ask_the_database).result()
    except DatabaseError:
        logger.warning("The database was not checked: it does not answer.")
        return []


def _ask_the_database() -> list[checks.CheckMessage]:
    try:
        return checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    finally:
        connection.close()


def _sentences(found: Sequence[checks.CheckMessage]) -> list[str]:
    return [f"{one.msg} {one.hint}" if one.hint else str(one.msg) for one in found]
