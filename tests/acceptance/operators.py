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


def main() -> None:
    """Answer until standard input ends."""
    django.setup()
    for line in sys.stdin:
        answer = json.dumps(_run(json.loads(line)))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _run(argv: list[str]) -> dict[str, Any]:
    if argv == ["verify_ledger"]:
        return {"ok": _verify()}
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a command prints past its own stdout
            call_command(*argv, stdout=out)
    except CommandError as error:
        return {"error": str(error)}
    lines = out.getvalue().splitlines() or [""]
    return {"ok": json.loads(lines[-1]) if "--json" in argv else out.getvalue()}


def _verify() -> dict[str, Any]:
    """Re-derive every balance; say which differ, so that a failing test explains itself."""
    from jobs import ledger_check  # noqa: PLC0415 - models can be imported after setup only

    report = ledger_check.verify()
    return {
        "drift": [str(drift) for drift in report.drift],
        "open_holds": report.open_holds,
        "settlements": report.settlements,
    }


if __name__ == "__main__":
    main()
