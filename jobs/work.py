"""Turns a claimed job's row into what the engine runs. Pure."""

from inference.types import ChatRequest, EmbeddingRequest, Request, SamplingParams
from jobs.claims import Claimed
from jobs.states import JobKind


def request_of(claimed: Claimed) -> Request:
    """Return the engine's request; it is named for the job and the attempt."""
    request = claimed.request
    request_id = f"{claimed.job_id.hex}-{claimed.attempt}"
    if claimed.kind is JobKind.EMBEDDING:
        inputs = tuple(one if isinstance(one, str) else tuple(one) for one in request["inputs"])
        return EmbeddingRequest(
            request_id=request_id,
            model=claimed.model,
            inputs=inputs,
            dimensions=request.get("dimensions"),
        )
    sampling = dict(request["sampling"])
    sampling["stop"] = tuple(sampling.get("stop", ()))
    return ChatRequest(
        request_id=request_id,
        model=claimed.model,
        messages=tuple(request["messages"]),
        sampling=SamplingParams(**sampling),
    )
