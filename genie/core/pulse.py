"""A file that a worker touches while it lives, for probes that must not ask a broker or a database.

A probe that asks over the broker calls every worker dead when the broker is away, and whoever heeds it
ends jobs that would have gone on. ``deploy/pulse.sh`` looks at the files.
"""

import logging
import os
from pathlib import Path

from django.conf import settings

from genie.core import env

logger = logging.getLogger(__name__)


def beat(*, ready: bool) -> None:
    """Say that this worker lives, and whether its models are loaded; never fails.

    Does nothing without ``GENIE_PULSE_DIR``. The file bears the worker's name, so that one that is
    started again goes on with it.
    """
    if not settings.GENIE_PULSE_DIR:
        return
    path = Path(settings.GENIE_PULSE_DIR) / env.text("GENIE_WORKER_NAME", "worker")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text("ready\n" if ready else "warming\n", "utf-8")
        fresh.replace(path)  # a probe never reads half a word
    except OSError as error:
        logger.warning("This worker has no pulse for probes: %s", error)
