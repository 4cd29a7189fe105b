"""``genie webhooks verify``: is a delivery that was kept genuine?"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from genie.client import webhooks
from genie.client.cli import arguments
from genie.client.cli.arguments import Parser
from genie.client.cli.output import Output
from genie.client.cli.submitting import WEBHOOK_SECRET
from genie.client.errors import NotConfigured


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb."""
    hooks = verbs.add_parser("webhooks", help="check deliveries of webhooks")
    each = hooks.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    verify = each.add_parser(
        "verify",
        parents=[common],
        help="tell whether a delivery is genuine",
        description=f"Tell whether a delivery is genuine: its raw body, its headers, and the secret in "
        f"{WEBHOOK_SECRET} (during a rotation both, separated by a space) or a public key.",
    )
    verify.add_argument("body", metavar="FILE|-", help="the raw bytes that arrived")
    verify.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        dest="headers",
        help="one that came with it",
    )
    verify.add_argument(
        "--headers", type=Path, metavar="FILE", dest="headers_file", help="one 'NAME: VALUE' a line"
    )
    verify.add_argument(
        "--public-key",
        action="append",
        default=[],
        metavar="whpk_...",
        dest="public_keys",
        help="one of the deployment's, in place of a secret",
    )
    verify.add_argument(
        "--tolerance",
        type=float,
        default=webhooks.TOLERANCE_S,
        metavar="S",
        dest="tolerance_s",
        help=f"how old it may be, in seconds (default {webhooks.TOLERANCE_S:g})",
    )
    verify.add_argument(
        "--native", action="store_true", help="check X-Genie-Signature alone, which proves no time"
    )
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace, out: Output) -> int:
    body = _body(args.body)
    headers = _headers(args)
    secrets = os.environ.get(WEBHOOK_SECRET, "").split()
    if not secrets and not args.public_keys:
        raise NotConfigured(f"Set {WEBHOOK_SECRET}, or give --public-key.")
    if args.native:
        event = webhooks.verify_native(body, headers, secrets)
    else:
        event = webhooks.verify(
            body,
            headers,
            secrets,
            public_keys=args.public_keys or None,
            tolerance_s=args.tolerance_s,
        )
    about = event.body.get("id") or event.body.get("webhook_id") or ""
    out.line(f"Genuine: {event.type} {about}".rstrip())
    out.document({"type": event.type, "delivery_id": event.delivery_id, "body": event.body})
    return 0


def _body(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise NotConfigured(f"{given} cannot be read: {error.strerror}.") from error


def _headers(args: argparse.Namespace) -> dict[str, str]:
    lines = list(args.headers)
    if args.headers_file is not None:
        lines += arguments.read_text(args.headers_file).splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
