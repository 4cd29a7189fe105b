"""The only map between the native contract's words and ours: bodies out of jobs. Pure."""

import base64
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Sequence
from typing import Any

from budgets import money
from genie.core import ids
from genie.core.errors import InvalidRequest
from inference.registry import ModelSpec
from inference.specs import Unit
from jobs import events
from jobs.job_views import JobView, Parked
from jobs.quotes import Question, Quote
from jobs.states import OBJECTS, JobKind, JobState

PARKED = "parked_budget"  # why a queued job has no place in its queue
_POLL_AFTER_S = 1
_RATES = {
    Unit.PROMPT: "prompt_per_million",
    Unit.COMPLETION: "completion_per_million",
    Unit.MEGAPIXEL_STEP: "per_megapixel_step",
    Unit.MEGAPIXEL_SECOND: "per_megapixel_second",
    Unit.MINUTE: "per_minute",
    Unit.THOUSAND_CHARACTERS: "per_thousand_characters",
}


def dumps(value: Any) -> str:
    """Return compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def accepted_body(
    job_id: uuid.UUID,
    *,
    kind: JobKind,
    state: JobState,
    created: int,
    queue_position: int | None,
    parked: Parked | None = None,
) -> dict[str, Any]:
    """Return the 202 body. Two public documents name the poll address differently, so both are sent."""
    bare = ids.bare(job_id)
    return {
        "id": events.public_id(job_id, kind),
        "object": f"{OBJECTS[kind]}.async",
        "status": state,
        "polling_url": f"/api/v1/jobs/{bare}",
        "poll_url": f"/v1/jobs/{bare}",
        "cancel_url": f"/v1/jobs/{bare}/cancel",
        "events_url": f"/v1/jobs/{bare}/events",
        "created": created,
        "queue_position": queue_position,
        **_parked_fields(parked),
    }


def job_json(job: JobView, *, eta_s: float | None = None) -> str:
    """Return a job's body as JSON text; the result's text is spliced in as the row has it."""
    text = dumps(job_body(job, eta_s=eta_s))
    if job.state is JobState.COMPLETED:
        return f'{text[:-1]},"result":{job.result_json}}}'
    return text


def job_body(job: JobView, *, eta_s: float | None = None) -> dict[str, Any]:
    """Return a job without its result."""
    body: dict[str, Any] = {
        "id": events.public_id(job.id, job.kind),
        "object": OBJECTS[job.kind],
        "status": job.state,
        "model": job.model,
        "created": int(job.created_at.timestamp()),
        "startedAt": events.iso(job.started_at) if job.started_at else None,
        "completedAt": events.iso(job.completed_at) if job.completed_at else None,
    }
    if job.state is JobState.QUEUED:
        body["queue_position"] = job.queue_position
        body["eta_seconds"] = None if eta_s is None else round(eta_s, 1)
        body |= _parked_fields(job.parked)
    elif job.state is JobState.RUNNING:
        body["progress"] = _progress(job)
    if job.terminal:
        body["usage"] = _usage(job)
        body["cost"] = money.to_wire(job.cost_microcredits or 0)
    if job.error is not None:
        body["error"] = job.error
    return body


def quote_body(quote: Quote, *, route: str) -> dict[str, Any]:
    """Return a quote; what the budget says has the names that a 402 has."""
    question, foreseen = quote.question, quote.foreseen
    body = {
        "object": "quote",
        "route": route,
        "model": question.job.model,
        "price_version": question.job.price_version,
        "unit": "credits",
        "low": money.to_wire(quote.low),
        "p95": None if quote.p95 is None else money.to_wire(quote.p95),
        "p95_sample": quote.sample,
        "maximum": money.to_wire(quote.maximum),
        "quantities": _quantities(question),
        "budget_mode": foreseen.mode,
        "decision": foreseen.decision,
        "allowed": foreseen.allowed,
        **foreseen.explained,
    }
    if foreseen.over_microcredits is not None:
        body["exceededBy"] = money.to_wire(foreseen.over_microcredits)
    return body


def _quantities(question: Question) -> dict[str, Any]:
    if question.exactly is None:
        return {
            "prompt_tokens": question.prompt_bound,
            "max_completion_tokens": question.most_completion,
        }
    return {
        name: round(parts / unit.parts, 6)
        for unit, parts in question.exactly.items()
        for name in [f"{unit}s"]
    }


def etag(text: str) -> str:
    """Return a weak validator of a body."""
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def poll_headers(job: JobView) -> dict[str, str]:
    """Return the hints for the next poll of a job that has not ended."""
    if job.terminal:
        return {}
    return {"Retry-After": str(_POLL_AFTER_S), "openai-poll-after-ms": str(_POLL_AFTER_S * 1000)}


def model_body(spec: ModelSpec, *, created: int, loaded_on: Sequence[str]) -> dict[str, Any]:
    """Return one model: OpenAI's shape and what a chooser wants to know.

    Args:
        spec: The model.
        created: When the models file was changed, in Unix seconds.
        loaded_on: The topology entries whose workers have it in memory. No host and no pid.
    """
    rates = {_RATES[unit]: money.to_wire(rate) for unit, rate in spec.price.rates.items()}
    return {
        "id": spec.id,
        "object": "model",
        "created": created,
        "owned_by": "genie",
        "description": spec.description,
        "modality": spec.modality,
        "capabilities": list(spec.capabilities),
        "context_tokens": spec.context_tokens,
        "max_output_tokens": spec.max_output_tokens,
        "pricing": {"unit": "credits", "version": spec.price.version, **rates},
        "aliases": list(spec.aliases),
        "loaded": bool(loaded_on),
        "loaded_on": list(loaded_on),
    }


# --- list cursors ---------------------------------------------------------------------------------


def encode_cursor(job: JobView) -> str:
    """Return the cursor that continues after this job."""
    raw = json.dumps([job.created_at.isoformat(), str(job.id)])
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode_cursor(text: str) -> tuple[dt.datetime, uuid.UUID]:
    """Return where a page begins.

    Raises:
        InvalidRequest: It is not a cursor that we gave.
    """
    try:
        moment, job_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return dt.datetime.fromisoformat(moment).astimezone(dt.UTC), uuid.UUID(job_id)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InvalidRequest.of(
            "cursor", "is not a cursor of this list; use next_cursor of the page before"
        ) from None


def _parked_fields(parked: Parked | None) -> dict[str, str]:
    """Return why a queued job has no place in its queue, in the words of the 402; else nothing."""
    if parked is None:
        return {}
    fields = {
        "reason": PARKED,
        "capLayer": parked.layer.value,
        "capWindow": parked.window.value,
    }
    return fields if parked.resets_at is None else fields | {"resetsAt": parked.resets_at}


def _usage(job: JobView) -> dict[str, Any]:
    """Return the work done: tokens, or for media what its price is for."""
    if (counted := _MEDIA_USAGE.get(job.kind)) is not None:
        name, parts = counted
        return {name: round(job.parts / parts, 6) if parts > 1 else job.parts}
    return {
        "prompt_tokens": job.prompt_tokens,
        "completion_tokens": job.completion_tokens,
        "total_tokens": job.prompt_tokens + job.completion_tokens,
    }


_MEDIA_USAGE = {
    JobKind.IMAGE: ("megapixel_steps", Unit.MEGAPIXEL_STEP.parts),
    JobKind.VIDEO: ("megapixel_seconds", Unit.MEGAPIXEL_SECOND.parts),
    JobKind.TRANSITION: ("megapixel_seconds", Unit.MEGAPIXEL_SECOND.parts),
    JobKind.TRANSCRIPTION: ("seconds", 1000),
    JobKind.SPEECH: ("characters", 1),
}


def _progress(job: JobView) -> int:
    """Return the share of the tokens that may be generated, as last checkpointed; never 100 yet."""
    if not job.max_output_tokens:
        return min(99, job.percent)
    return min(99, job.completion_tokens * 100 // job.max_output_tokens)
