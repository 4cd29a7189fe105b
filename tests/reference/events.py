"""The page of events: what webhooks tell, how each contract's deliveries look, what streams say."""

from jobs.events import EntryType
from jobs.serving import sse
from tests.reference import markdown, notes
from webhooks import event_types, formats
from webhooks.event_types import EventType
from webhooks.formats import Manner, Rules

_MINUTE_S, _HOUR_S = 60, 3600


def page() -> str:
    """Return the page."""
    return markdown.page(
        "Events",
        "What happens is told in two ways: by webhooks, and by the event stream of one job. "
        "[Receive webhooks](../how-to/receive-webhooks.md) shows receivers, "
        "[Streams](../concepts/streams.md) how a stream is resumed.",
        _subscriptions(),
        _ways(),
        _schedules(),
        _streams(),
    )


def _subscriptions() -> str:
    said = notes.of_fields(EventType)
    rows = [[markdown.code(one), markdown.sentence(said[one.name])] for one in EventType]
    return (
        "## What an endpoint may subscribe to\n\n"
        + markdown.table(["event", "when"], rows)
        + f"\n\n`{event_types.TEST}` is sent by `POST /v1/webhooks/{{id}}/test` alone; nobody subscribes "
        "to it. A delivery is made at least once, and its id is the same on each attempt."
    )


def _ways() -> str:
    rows = [_way(name, manner) for name, manner in formats.MANNERS.items()]
    return (
        "## How deliveries look\n\n"
        "Each is a POST of JSON with `webhook-id`, `webhook-timestamp` and `webhook-signature` of "
        "Standard Webhooks, and with the headers of its format.\n\n"
        + markdown.table(
            ["format", "event in", "further headers", "an attempt takes at most", "before it"], rows
        )
    )


def _way(name: str, manner: Manner) -> list[str]:
    wire = manner.wire
    further = [wire.delivery_header, wire.body_signature_header, *wire.about_headers.values()]
    probe = f"OPTIONS, {manner.probe_s:g} s at most" if manner.probe_s else ""
    return [
        markdown.code(name),
        markdown.code(wire.event_header),
        markdown.listed(header for header in further if header),
        f"{manner.attempt_s:g} s",
        probe,
    ]


def _schedules() -> str:
    rows = [_schedule(name, rules) for name, rules in formats.RULES.items()]
    return (
        "## When a delivery is tried again\n\n"
        "After an attempt without a whole answer, and after the statuses named. `native` is the "
        "webhook of one request, `registered` an endpoint, `once` a test.\n\n"
        + markdown.table(
            [
                "schedule",
                "attempts",
                "waits between them",
                "after statuses",
                "`Retry-After` honoured",
                "a 410 disables",
            ],
            rows,
        )
    )


def _schedule(name: str, rules: Rules) -> list[str]:
    plan = rules.schedule
    waits = ", ".join(_wait(delay) for delay in plan.delays_s)
    spread = f"; up to {plan.jitter:.0%} more" if plan.jitter else ""
    spread += f", up to {plan.shorten:.0%} less" if plan.shorten else ""
    statuses = (
        ["any but 2xx"]
        if rules.retried == Rules(schedule=plan).retried
        else [
            str(one.start) if len(one) == 1 else f"{one.start} to {one.stop - 1}"
            for one in rules.retried
        ]
    )
    honoured = rules.retry_after_max.total_seconds()
    return [
        markdown.code(name),
        str(plan.max_attempts),
        waits + spread,
        ", ".join(statuses) if plan.delays_s else "",
        f"up to {_wait(int(honoured))}" if honoured else "",
        "yes" if rules.gone_disables else "",
    ]


def _wait(seconds: int) -> str:
    if seconds % _HOUR_S == 0:
        return f"{seconds // _HOUR_S} h"
    return f"{seconds // _MINUTE_S} min" if seconds % _MINUTE_S == 0 else f"{seconds} s"


def _streams() -> str:
    said = notes.of_fields(EntryType)
    rows = [
        [
            markdown.code(one),
            markdown.code(sse._EVENTS.get(one, "")),
            markdown.sentence(said[one.name]),
        ]
        for one in EntryType
    ]
    return (
        "## What a job's stream says\n\n"
        "`GET /v1/jobs/{id}/events` sends an entry as one server-sent event, whose `id` is its number: "
        "`Last-Event-ID` goes on behind it. Texts are told as OpenAI's chunks, media by the events "
        "named here and at last by the job.\n\n"
        + markdown.table(["entry", "event of media jobs", "meaning"], rows)
    )
