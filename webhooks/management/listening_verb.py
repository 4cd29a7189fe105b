"""``webhooks listen``: follow events and show what the developer's machine answers to each."""

import uuid
from typing import Any

import rich.console
from django.utils import timezone
from rich.markup import escape

from genie.core.commands import GenieCommand
from genie.core.errors import InvalidRequest
from webhooks import listening, naming, signing
from webhooks.listening import Forwarded, Source
from webhooks.management import finding, showing
from webhooks.naming import Place


def listen(command: GenieCommand, options: dict[str, Any]) -> None:
    """Forward events until Ctrl-C, or until there were ``--limit`` of them; then say where to go on.

    Raises:
        InvalidRequest, NotFound: An option is none, or names nothing.
    """
    url, limit = options["forward"], options["limit"]
    if limit is not None and limit < 1:
        raise InvalidRequest(
            f"--limit {limit}: write a number of events from 1 on, or leave it out."
        )
    listening.check_address(url)
    source, place = _source(options), _start(options)
    console = rich.console.Console(highlight=False, soft_wrap=True, stderr=command.as_json)
    console.print(f"Forwarding to {escape(url)}; Ctrl-C stops.")
    if not (options["secret"] or options["endpoint"]):
        console.print(f"The secret of this run: {escape(source.secrets[0])}")
    count = 0
    try:
        for event in listening.follow(source, after=place):
            done = listening.forward(event, source, url=url, now=timezone.now())
            command.emit(showing.forwarded(done))
            if not command.as_json:
                console.print(_line(done))
            place, count = done.place, count + 1
            if limit is not None and count >= limit:
                break
    except KeyboardInterrupt:
        console.print()
    console.print(f"{count} forwarded. Go on with --after {naming.encode_cursor(place)}")


def _source(options: dict[str, Any]) -> Source:
    secret, organization_id = options["secret"], options["organization_id"]
    if secret and (problem := signing.secret_problem(secret)):
        raise InvalidRequest(f"--secret {problem}.")
    if options["endpoint"]:
        endpoint = finding.endpoint(options["endpoint"], organization_id)
        if not endpoint.events:  # it hears only of jobs that name it, which no log tells apart
            raise InvalidRequest(
                f"Endpoint {endpoint.name!r} subscribes to nothing; listen to its organization with --org."
            )
        return listening.of_endpoint(endpoint, now=timezone.now(), secret=secret)
    if organization_id is None:
        raise InvalidRequest("Whose events? Give --endpoint or --org.")
    return listening.of_organization(organization_id, secret=secret or signing.mint_secret())


def _start(options: dict[str, Any]) -> Place:
    if options["after"]:
        place = naming.decode_cursor(options["after"])
        if place is None:
            raise InvalidRequest("--after: give the cursor that an earlier run printed.")
        return place
    now = timezone.now()
    since = finding.moment(options["since"], now=now) if options["since"] else now
    return Place(since, uuid.UUID(int=0))


def _line(done: Forwarded) -> str:
    ok = done.error is None and done.status is not None and 200 <= done.status < 300
    answered = escape(str(done.error or done.status))
    color = "green" if ok else "red"
    shown = showing.forwarded(done)
    return f"{shown['at']}  {done.event.type:<16} [{color}]{answered}[/]  {shown['durationMs']} ms  {shown['id']}"
