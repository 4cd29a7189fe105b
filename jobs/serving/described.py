"""What the routes say of themselves that the native contract shares with OpenAI's, by method and route."""

from typing import Any

from genie.core.describing import EVENTS, FORM, JSON, KEYED, Answer, Body, Operation, Parameter
from jobs.intake.bodies import ChatBody, CompletionBody, EmbeddingsBody
from jobs.intake.media_bodies import ImageBody, SpeechBody, TranscriptionBody
from jobs.intake.responses import ResponsesBody

RATES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
ADMITTED = ("Idempotent-Replayed", "X-Genie-Budget-Remaining", *RATES)
POLLED = ("Retry-After", "openai-poll-after-ms", *RATES)
SUBMITS = KEYED | {402, 404, 415, 422}  # what a submission may be refused with
WAITS = SUBMITS | {409, 504}  # and a caller who waits for its job

INFERENCE, JOBS_READ = "inference", "jobs:read"

IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="The same key and body is the same job for a day; another body is a 422.",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)
PREFER = Parameter(
    name="Prefer",
    place="header",
    description="`wait=N`: after N seconds, at most 60, answer with what there is.",
)
ON_DISCONNECT = Parameter(
    name="X-On-Disconnect",
    place="header",
    description="`continue`: the job goes on when its caller has gone.",
)
STORE = Parameter(
    name="X-Genie-Store",
    place="header",
    description="`none`: what is asked and answered is not kept beyond its delivery.",
    schema={"type": "string", "enum": ["none"]},
)
LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    description="The last event that you have: what follows it is told.",
    schema={"type": "string", "pattern": "^[0-9]{0,9}$"},
)
SUBMITTING = (IDEMPOTENCY_KEY, PREFER, ON_DISCONNECT, STORE)
MODEL_PATH = Parameter(
    name="model", place="path", description="A model's id or alias.", example="lite"
)

ACCEPTED = Answer(
    description="The job is committed: async, or `Prefer: wait` ended first.",
    content={JSON: "native/accepted"},
    headers=ADMITTED,
)
MESSAGES: dict[str, Any] = {
    "model": "lite",
    "messages": [{"role": "user", "content": "Say hello."}],
}
_SOUNDS = ("audio/mpeg", "audio/ogg", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")


def waited(schema: str, *, events: str | None = None) -> dict[int, Answer]:
    """Return the answers of a route whose caller waits, streams where ``events`` are told, or is not kept."""
    content: dict[str, str | None] = {JSON: schema}
    headers: tuple[str, ...] = ADMITTED
    if events is not None:
        content[EVENTS] = events
        headers = ("X-Genie-Job-Id", *ADMITTED)
    return {
        200: Answer(description="The result.", content=content, headers=headers),
        202: ACCEPTED,
    }


OPERATIONS = {
    "POST chat/completions": Operation(
        id="createChatCompletion",
        summary="Chat: sync, stream or async",
        parameters=(*SUBMITTING, LAST_EVENT_ID),
        body=Body(schema=ChatBody, example=MESSAGES | {"max_tokens": 16}),
        answers=waited("native/chat_completion", events="native/chat_chunk"),
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "POST completions": Operation(
        id="createCompletion",
        summary="Go on from a text: sync, stream or async",
        parameters=(*SUBMITTING, LAST_EVENT_ID),
        body=Body(
            schema=CompletionBody,
            example={"model": "lite", "prompt": "Once upon a time", "max_tokens": 8},
        ),
        answers=waited("native/text_completion", events="native/text_completion_chunk"),
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "POST responses": Operation(
        id="createResponse",
        summary="A chat in the shape of OpenAI's responses",
        parameters=(*SUBMITTING, LAST_EVENT_ID),
        body=Body(
            schema=ResponsesBody,
            example={"model": "lite", "input": "Say hello.", "max_output_tokens": 16},
        ),
        answers=waited("openai/response", events="openai/response_event"),
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "POST embeddings": Operation(
        id="createEmbeddings",
        summary="Embeddings: sync or async",
        parameters=SUBMITTING,
        body=Body(
            schema=EmbeddingsBody,
            example={"model": "genie-tiny-embedding", "input": ["a text", "another"]},
        ),
        answers=waited("native/embeddings"),
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "POST images/generations": Operation(
        id="createImages",
        summary="Pictures of a prompt: sync or async",
        parameters=SUBMITTING,
        body=Body(
            schema=ImageBody,
            example={"model": "flux-schnell", "prompt": "a lighthouse", "size": "256x256"},
        ),
        answers=waited("native/images"),
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "POST audio/speech": Operation(
        id="createSpeech",
        summary="Spoken text: the sound itself, or async",
        parameters=SUBMITTING,
        body=Body(
            schema=SpeechBody,
            example={"model": "genie-tiny-speech", "input": "Hello.", "response_format": "wav"},
        ),
        answers={
            200: Answer(
                description="The sound, in the format that was asked for.",
                content=dict.fromkeys(_SOUNDS),
                headers=ADMITTED,
            ),
            202: ACCEPTED,
        },
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "POST audio/transcriptions": Operation(
        id="createTranscription",
        summary="A recording, written down: sync or async",
        parameters=SUBMITTING,
        body=Body(
            schema=TranscriptionBody,
            example={"model": "whisper-1", "response_format": "json"},
            media_types=(FORM,),
            files={"file": "The recording: wav, mp3, ogg, webm, flac or m4a."},
            required_files=("file",),
        ),
        answers={
            200: Answer(
                description="The transcription; `text`, `srt` and `vtt` are plain text.",
                content={JSON: "native/transcription", "text/plain": None},
                headers=ADMITTED,
            ),
            202: ACCEPTED,
        },
        refusals=WAITS,
        scope=INFERENCE,
    ),
    "GET models": Operation(
        id="listModels",
        summary="The models that your key may use",
        answers={
            200: Answer(description="All of them.", content={JSON: "native/models"}, headers=RATES)
        },
    ),
    "GET models/{model}": Operation(
        id="getModel",
        summary="One model, by its id or an alias",
        answers={200: Answer(description="It.", content={JSON: "native/model"}, headers=RATES)},
        refusals=KEYED | {404},
    ),
}
