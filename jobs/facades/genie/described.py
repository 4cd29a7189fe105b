"""What the routes of the native contract say of themselves."""

from genie.core.describing import (
    ANYWHERE,
    EVENTS,
    JSON,
    KEYED,
    Answer,
    Body,
    Contract,
    Operation,
    Parameter,
)
from jobs.intake.media_bodies import TransitionBody, VideoBody
from jobs.intake.reranking import RerankBody
from jobs.serving import described as shared
from jobs.serving.described import INFERENCE, JOBS_READ, POLLED, RATES
from jobs.states import JobState

_JOB = KEYED | {404}
_CANCEL = _JOB | {409}
_DAY = {"type": "string", "pattern": "^[2-8][0-9]{3}-[0-9]{2}-[0-9]{2}$"}
_UUID = {"type": "string", "format": "uuid"}
# A picture of one pixel.
_PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

_QUERY_OF_JOBS = (
    Parameter(name="status", description="In this state.", schema={"enum": list(JobState)}),
    Parameter(name="reason", description="Only parked jobs.", schema={"enum": ["parked_budget"]}),
    Parameter(name="model", description="Served by this model.", example="genie-tiny-chat"),
    Parameter(name="application", description="Of this application.", schema=_UUID),
    Parameter(name="created_after", description="Unix seconds, or ISO 8601."),
    Parameter(name="created_before", description="Unix seconds, or ISO 8601."),
    Parameter(name="cursor", description="`next_cursor` of the page before."),
    Parameter(
        name="limit",
        description="Jobs on a page.",
        schema={"type": "integer", "minimum": 1, "maximum": 200, "default": 20},
        example=5,
    ),
)
_QUERY_OF_USAGE = (
    Parameter(
        name="group_by",
        description="`day`, `model`, `application`, `member`, with commas between.",
        schema={"type": "string", "default": "day"},
        example="day,model",
    ),
    Parameter(name="from", description="A UTC day; 29 days before `to`.", schema=_DAY),
    Parameter(name="to", description="A UTC day, included; today.", schema=_DAY),
    Parameter(name="model", description="Of this model."),
    Parameter(name="application", description="Of this application.", schema=_UUID),
    Parameter(name="member", description="Of this user.", schema=_UUID),
    Parameter(
        name="format",
        description="What the answer is; if absent, `Accept` decides.",
        schema={"enum": ["json", "csv"]},
    ),
)  # fmt: skip

_CANCELLED = {
    202: Answer(description="It is being cancelled.", content={JSON: "native/job"}, headers=RATES)
}

_OPERATIONS = {
    **{
        f"{method} /v1/{route}": operation
        for (method, route), operation in (
            (key.split(" "), one) for key, one in shared.OPERATIONS.items()
        )
    },
    "POST /v1/rerank": Operation(
        id="createRerank",
        summary="Documents, by how well they answer a query: sync or async",
        description="Served where a reranker is configured; no model is one from the start.",
        parameters=shared.SUBMITTING,
        body=Body(
            schema=RerankBody,
            example={
                "model": "genie-tiny-rerank",
                "query": "light at sea",
                "documents": ["A recipe for bread.", "A lighthouse shows ships a light at sea."],
                "top_n": 1,
                "return_documents": True,
            },
        ),
        answers=shared.waited("native/rerank"),
        refusals=shared.WAITS,
        scope=INFERENCE,
    ),
    "POST /v1/videos/generations": Operation(
        id="createVideo",
        summary="A video of a prompt: async only",
        parameters=(shared.IDEMPOTENCY_KEY,),
        body=Body(
            schema=VideoBody,
            example={"model": "wan-2.1", "prompt": "waves", "size": "64x64", "duration_seconds": 1},
        ),
        answers={202: shared.ACCEPTED},
        refusals=shared.SUBMITS,
        scope=INFERENCE,
    ),
    "POST /v1/videos/transitions": Operation(
        id="createTransition",
        summary="A video from one picture on, or to another: async only",
        parameters=(shared.IDEMPOTENCY_KEY,),
        body=Body(
            schema=TransitionBody,
            example={"model": "wan-2.1", "start_image": _PIXEL, "duration_seconds": 1},
        ),
        answers={202: shared.ACCEPTED},
        refusals=shared.SUBMITS,
        scope=INFERENCE,
    ),
    "POST /v1/jobs/quote": Operation(
        id="quoteJob",
        summary="What a body would cost, and whether a cap forbids it",
        description="Takes any body that a route submits, and judges it as that route does. "
        "Nothing is held, recorded or run.",
        tag="Jobs",
        parameters=(shared.IDEMPOTENCY_KEY,),
        body=Body(schema="native/quoted_body", example=shared.MESSAGES),
        answers={
            200: Answer(description="The quote.", content={JSON: "native/quote"}, headers=RATES)
        },
        refusals=KEYED | {404, 415},
        scope=INFERENCE,
    ),
    "GET /v1/jobs": Operation(
        id="listJobs",
        summary="The organization's jobs, the newest first",
        tag="Jobs",
        parameters=_QUERY_OF_JOBS,
        answers={200: Answer(description="A page.", content={JSON: "native/jobs"}, headers=RATES)},
        scope=JOBS_READ,
    ),
    "GET /v1/jobs/{job_id}": Operation(
        id="getJob",
        summary="One job; free, without side effects",
        tag="Jobs",
        parameters=(
            shared.PREFER,
            Parameter(name="If-None-Match", place="header", description="The `ETag` of an answer."),
        ),
        answers={
            200: Answer(
                description="The job.", content={JSON: "native/job"}, headers=("ETag", *POLLED)
            ),
            304: Answer(description="It is as it was then.", headers=("ETag", *POLLED)),
        },
        refusals=_JOB,
        scope=JOBS_READ,
    ),
    "DELETE /v1/jobs/{job_id}": Operation(
        id="deleteJob",
        summary="Cancel a job",
        tag="Jobs",
        answers=_CANCELLED,
        refusals=_CANCEL,
        scope=INFERENCE,
    ),
    "POST /v1/jobs/{job_id}/cancel": Operation(
        id="cancelJob",
        summary="Cancel a job",
        tag="Jobs",
        answers=_CANCELLED,
        refusals=_CANCEL,
        scope=INFERENCE,
    ),
    "GET /v1/jobs/{job_id}/events": Operation(
        id="watchJob",
        summary="A job's stream, resumable, also after its end",
        tag="Jobs",
        parameters=(shared.LAST_EVENT_ID,),
        answers={
            200: Answer(
                description="Server-sent events; the last is `data: [DONE]`.",
                content={EVENTS: "native/job_event"},
                headers=RATES,
            )
        },
        refusals=_JOB,
        scope=JOBS_READ,
    ),
    "GET /v1/budgets/effective": Operation(
        id="getEffectiveBudgets",
        summary="Every cap that binds you, and the jobs that hold the money",
        tag="Spending",
        answers={
            200: Answer(
                description="As it is now.",
                content={JSON: "native/effective_budgets"},
                headers=RATES,
            )
        },
        scope=JOBS_READ,
    ),
    "GET /v1/usage": Operation(
        id="getUsage",
        summary="Jobs, tokens and cost by day, model, application and member",
        tag="Spending",
        parameters=_QUERY_OF_USAGE,
        answers={
            200: Answer(
                description="A row for each group.",
                content={JSON: "native/usage", "text/csv": None},
                headers=("Content-Disposition", *RATES),
            )
        },
        scope=JOBS_READ,
    ),
    "GET /files/{token}/{name}": Operation(
        id="getResultFile",
        summary="What a job has made, for whoever has its address",
        tag="Files and health",
        parameters=(Parameter(name="Range", place="header", description="Which bytes."),),
        answers={
            200: Answer(description="The file.", content={"*/*": None}, headers=("ETag",)),
            206: Answer(
                description="A range of it.",
                content={"*/*": None},
                headers=("ETag", "Content-Range"),
            ),
            304: Answer(description="It never changes.", headers=("ETag",)),
            307: Answer(description="It is in a bucket.", headers=("Location",)),
        },
        refusals=ANYWHERE | {404, 416, 503},
        public=True,
    ),
    "GET /health": Operation(
        id="getHealth",
        summary="This process lives",
        tag="Files and health",
        answers={200: Answer(description="It does.", content={JSON: "native/health"})},
        refusals=frozenset({413}),
        public=True,
    ),
    "GET /ready": Operation(
        id="getReadiness",
        summary="The database, the broker, a worker for every queue",
        tag="Files and health",
        answers={
            200: Answer(description="All are there.", content={JSON: "native/ready"}),
            503: Answer(
                description="Something is not.",
                content={JSON: "native/ready"},
                headers=("Retry-After",),
            ),
        },
        refusals=frozenset({413}),
        public=True,
    ),
}

CONTRACT = Contract(
    tags={
        "Inference": "The native contract: submit work, and wait, stream or look later.",
        "Jobs": "What was submitted, by any contract: look, watch, cancel, ask for its price.",
        "Spending": "What may be spent, and what was.",
        "Files and health": "Results at their addresses, and how the system is.",
    },
    operations=_OPERATIONS,
    paths=(
        shared.MODEL_PATH,
        Parameter(
            name="job_id",
            place="path",
            description="A job's id, with its prefix or without, or as a UUID.",
            example="chatcmpl-c0123456789abcdefghijklmno",
        ),
        Parameter(name="token", place="path", description="The secret of the address."),
        Parameter(name="name", place="path", description="For people alone."),
    ),
    servers=("/api",),
)
