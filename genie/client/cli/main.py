"""``genie``: reads the command line, runs one verb, and says in one sentence what went wrong.

Exit statuses::

    0    done
    1    refused, unreachable, not in time, or a signature that does not fit
    2    the command line, the key or a file is wrong; nothing was sent
    3    the job failed, was cancelled or timed out
    130  Ctrl-C
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from genie.client.cli import chatting, hooks, jobs, making, submitting
from genie.client.cli.arguments import Parser, common
from genie.client.cli.output import Output, printable
from genie.client.errors import GenieError, JobFailed, NotConfigured

FAILED, USAGE, JOB_FAILED, INTERRUPTED = 1, 2, 3, 130

_EPILOG = """\
GENIE_API_KEY holds the key, which is never an argument: others would see it in the list of processes.
Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 the job failed, 130 Ctrl-C.
"""


def run() -> NoReturn:
    """Run the command line of this process and exit."""
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    args = parser().parse_args(argv)
    out = Output(as_json=args.as_json)
    try:
        return int(args.run(args, out))
    except GenieError as error:
        return _told(error)
    except BrokenPipeError:  # `genie jobs list | head`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED


def parser() -> Parser:
    """Return the parser of the whole command."""
    root = Parser(prog="genie", description="Use a Genie from a terminal.", epilog=_EPILOG)
    verbs = root.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for part in (chatting, submitting, jobs, making, hooks):
        part.add(verbs, common())
    return root


def _told(error: GenieError) -> int:
    sys.stderr.write(printable(f"genie: {error}").replace("\n", " ") + "\n")
    if isinstance(error, JobFailed):
        return JOB_FAILED
    return USAGE if isinstance(error, NotConfigured) else FAILED
