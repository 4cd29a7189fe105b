"""Job states and the moves between them, modes, lanes and kinds. Pure; the database enforces the same table."""

from enum import IntEnum, StrEnum


class JobState(StrEnum):
    """Where a job is; the last four are terminal and never change."""

    QUEUED = "queued"  # committed, waiting for a worker's claim
    RUNNING = "running"  # claimed: one attempt holds a lease
    COMPLETED = "completed"  # has a result
    FAILED = "failed"  # has an error
    CANCELLED = "cancelled"  # by the caller, or because the caller went away
    TIMEOUT = "timeout"  # passed its deadline to start or to run


class FailureCode(StrEnum):
    """Why a job has ended without a result: the ``code`` of its error."""

    CANCELLED = "cancelled"  # by its caller, by an operator, or because its caller went away
    QUEUE_TIMEOUT = "queue-timeout"  # no worker started it in time
    EXECUTION_TIMEOUT = "execution-timeout"  # it ran for longer than it may
    BUDGET_EXHAUSTED = "budget-exhausted"  # it was parked, and its caps had no room in time
    INVALID_REQUEST = "invalid-request"  # the model found out what nobody could see before
    INPUT_FETCH_FAILED = "input-fetch-failed"  # an input that it refers to could not be had
    MODEL_LOAD_FAILED = "model-load-failed"  # its model could not be loaded
    # The files of a model of pictures, videos or sound are on no worker.
    COMFYUI_MODEL_MISSING = "comfyui-model-missing"
    OUT_OF_MEMORY = "out-of-memory"  # it does not fit, not even alone
    INFERENCE_FAILED = "inference-failed"  # the model failed while it worked on the request
    WORKER_LOST = (
        "worker-lost"  # too many workers were, or what was streamed cannot be gone on with
    )


class Mode(StrEnum):
    """How the submitting request is answered."""

    SYNC = "sync"
    STREAM = "stream"
    ASYNC = "async"


class Lane(IntEnum):
    """Priority within a queue; a lower lane is claimed first."""

    INTERACTIVE = 0  # somebody waits on an open connection
    NORMAL = 1  # async
    SLOW = 2  # batches


class JobKind(StrEnum):
    """What was asked for; decides the id's prefix and the objects' names."""

    CHAT = "chat"
    COMPLETION = "completion"  # of plain text
    RESPONSE = "response"  # a chat, in the shape of OpenAI's responses
    EMBEDDING = "embedding"
    IMAGE = "image"
    VIDEO = "video"
    TRANSITION = "transition"  # a video from one picture to another
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    RERANK = "rerank"  # documents, by how well they answer a query


ID_PREFIXES = {
    JobKind.CHAT: "chatcmpl-",
    JobKind.COMPLETION: "cmpl-",
    JobKind.RESPONSE: "resp-",
    JobKind.EMBEDDING: "emb-",
    JobKind.IMAGE: "imggen-",
    JobKind.VIDEO: "vidgen-",
    JobKind.TRANSITION: "vidgen-",
    JobKind.SPEECH: "aud-",
    JobKind.TRANSCRIPTION: "aud-",
    JobKind.RERANK: "rerank-",
}
OBJECTS = {
    JobKind.CHAT: "chat.completion",
    JobKind.COMPLETION: "text_completion",
    JobKind.RESPONSE: "response",
    JobKind.EMBEDDING: "embedding",
    JobKind.IMAGE: "image.generation",
    JobKind.VIDEO: "video.generation",
    JobKind.TRANSITION: "video.transition",
    JobKind.SPEECH: "audio.speech",
    JobKind.TRANSCRIPTION: "audio.transcription",
    JobKind.RERANK: "rerank",
}


class Facade(StrEnum):
    """The wire contract that a job was submitted through."""

    GENIE = "genie"
    OPENAI = "openai"
    BIFROST = "bifrost"
    INFERENCE_NET = "inference_net"
    OXEN = "oxen"


# What these make lies in the storage, and their results name its addresses.
WITH_FILES = frozenset({JobKind.IMAGE, JobKind.VIDEO, JobKind.TRANSITION, JobKind.SPEECH})


class FileRole(StrEnum):
    """What a stored file is to its job."""

    INPUT = "input"  # sent by the caller; goes when the job has ended
    OUTPUT = "output"  # made by the job; has a public address
    UPLOAD = "upload"  # none of a job: its organisation keeps it; see jobs.library


TERMINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT})

# running -> queued is a lapsed lease, a drained worker or a retryable fault; each spends an attempt.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset(
        {JobState.RUNNING, JobState.CANCELLED, JobState.TIMEOUT, JobState.FAILED}
    ),
    JobState.RUNNING: TERMINAL | {JobState.QUEUED},
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.TIMEOUT: frozenset(),
}


def is_terminal(state: str) -> bool:
    """Return whether a job in this state has ended."""
    return state in TERMINAL
