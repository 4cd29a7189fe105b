"""Publishes events as the parts of the system do: in transactions of their own, some of which roll back.

    python -m tests.zoo.publisher

For each line of JSON on stdin (``urls``, ``commit``) one transaction; then a line with the deliveries'
ids, a digest of each body, and the time of the commit.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
import uuid
from typing import Any

import django


class Abandoned(Exception):
    """The work that an event told of came to nothing."""


def publish(urls: list[str], *, commit: bool) -> dict[str, Any]:
    """Publish one event for each URL in one transaction."""
    from genie.core import crypto, ids, transactions  # noqa: PLC0415 - Django is set up by now
    from webhooks import payloads, services  # noqa: PLC0415 - as above

    sealed = crypto.seal(os.environ["ZOO_SECRET"])
    bodies = [
        payloads.serialise(
            {"id": str(uuid.uuid4()), "text": "caf\u00e9 \U0001f40d " * (1 + n % 40)}
        )
        for n in range(len(urls))
    ]
    events = [
        services.NewEvent(
            event_type="job.completed", organization_id=uuid.UUID(int=1), reference=ids.new_id(), body=body, url=url,
            sealed_secret=sealed,
        )
        for url, body in zip(urls, bodies, strict=True)
    ]  # fmt: skip
    published: list[uuid.UUID] = []
    with contextlib.suppress(Abandoned), transactions.transaction():
        published = services.publish_many(events)
        if not commit:
            raise Abandoned
    return {
        "ids": [str(one) for one in published],
        "digests": [hashlib.sha256(body).hexdigest() for body in bodies],
        "at": time.time(),
    }


def main() -> None:
    """Answer each line of stdin."""
    django.setup()
    import genie.celery  # noqa: F401, PLC0415 - gives tickets their broker

    sys.stdout.write("{}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        wanted = json.loads(line)
        sys.stdout.write(json.dumps(publish(wanted["urls"], commit=wanted["commit"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
