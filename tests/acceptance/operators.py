"""Runs management commands for the tests: a JSON line in, a JSON line out, Django started once.

Started as a process of its own with the environment of the system under test.
"""

import contextlib
import io
import json
import sys
from typing import Any

import django
from django.core.management import CommandError, call_command
from django.db import connections


def main() -> None:
    """Answer until standard input ends."""
    django.setup()
    for line in sys.stdin:
        answer = json.dumps(_run(json.loads(line)))
        connections.close_all()  # as a command of its own would: the server may be stopped next
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _run(argv: list[str]) -> dict[str, Any]:
    if argv[0] == "make_staff":
        _make_staff(*argv[1:])
        return {"ok": None}
    if argv[0] == "send_tickets":
        return {"ok": _send_tickets(*argv[1:])}
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a command prints past its own stdout
            call_command(*argv, stdout=out)
    except CommandError as error:
        return {"error": f"{error} {out.getvalue()}"}
    lines = out.getvalue().splitlines() or [""]
    return {"ok": json.loads(lines[-1]) if "--json" in argv else out.getvalue()}


def _make_staff(username: str, password: str) -> None:
    """Let a user sign in to the admin, which is where a browser gets its session."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - models need setup first

    user = get_user_model().objects.get(username=username)
    user.set_password(password)
    user.is_staff = True
    user.save()


def _send_tickets(queue_name: str, *job_ids: str) -> bool:
    """Send a ticket for these jobs, whether they wait or not; tell whether the broker took it."""
    from jobs import queue  # noqa: PLC0415 - as above

    return queue.send_now(queue_name, job_ids)


if __name__ == "__main__":
    main()
