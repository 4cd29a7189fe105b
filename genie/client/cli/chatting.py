"""``genie chat``: one question, or a conversation."""

import argparse
import sys
from typing import Any

from genie.client import Client
from genie.client.cli import arguments
from genie.client.cli.output import Output
from genie.client.errors import GenieError
from genie.client.types import Usage

DEFAULT_MODEL = "lite"
_INTERRUPTED = 130


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "chat",
        parents=[common],
        help="ask, and see the answer as it is made",
        description="Ask, and see the answer as it is made. Without TEXT, asks what is piped in; at a "
        "terminal it is a conversation until Ctrl-D. Ctrl-C cancels the answer that is being made.",
    )
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to ask; - reads stdin")
    parser.add_argument("-m", "--model", default=DEFAULT_MODEL, help=f"default: {DEFAULT_MODEL}")
    parser.add_argument("-s", "--system", metavar="TEXT", help="how the model is to behave")
    arguments.add_fields(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the verb."""
    messages = [{"role": "system", "content": args.system}] if args.system else []
    with Client(base_url=args.base_url) as client:
        if args.text is None and sys.stdin.isatty():
            return _talk(client, args, out, messages)
        messages.append({"role": "user", "content": arguments.text_of(args.text)})
        _answer(client, args, out, messages)
    return 0


def _talk(
    client: Client, args: argparse.Namespace, out: Output, messages: list[dict[str, str]]
) -> int:
    """Ask again and again, with all that was said; a failure does not end the conversation."""
    out.note(f"Talking to {args.model}. Ctrl-C cancels an answer, Ctrl-D ends.")
    while True:
        try:
            asked = input("> ")
        except EOFError:
            out.line("")
            return 0
        except KeyboardInterrupt:
            return _INTERRUPTED
        if not asked.strip():
            continue
        said = [*messages, {"role": "user", "content": asked}]
        try:
            text = _answer(client, args, out, said)
        except KeyboardInterrupt:
            out.note("\nCancelled.")
        except GenieError as error:
            out.note(f"genie: {error}")
        else:
            messages[:] = [*said, {"role": "assistant", "content": text}]


def _answer(
    client: Client, args: argparse.Namespace, out: Output, messages: list[dict[str, str]]
) -> str:
    """Print an answer as it comes, and return it."""
    fields = arguments.merged(args.fields)
    with client.chat_stream(messages, model=args.model, **fields) as stream:
        for delta in stream:
            if delta.restarted:
                out.note("\n(The answer begins again.)")
            if delta.index == 0:
                out.part(delta.text)
    out.line("")
    if stream.finish_reason == "length":
        out.note("(Cut off at the token limit.)")
    out.document(
        {
            "id": stream.job_id,
            "model": stream.model,
            "text": stream.text,
            "finish_reason": stream.finish_reason,
            "usage": _usage(stream.usage),
        }
    )
    return stream.text


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    return None if usage is None else usage.model_dump()
